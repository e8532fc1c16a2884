/** Loaded into the server before its own code: threads may not change their priority, as where a service manager forbids it. */
import os from "node:os"

os.setPriority = () => {
  throw new Error("EPERM: operation not permitted, uv_os_setpriority")
}
