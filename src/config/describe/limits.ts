/** What a setting means, what it may be and what it is by default, in words. */
import { type SettingName, Settings, settingInfo } from "../schema/settings.ts"
import { type FieldShape, type Shape, shapeOf } from "../schema/shape.ts"

/** In one or two sentences. */
export const textOf = (name: SettingName): string => [sentence(settingInfo[name].meaning), ...limitsOf(name)].join(" ")

/** What it may be, and what it is where it is not set; each a sentence. */
export const limitsOf = (name: SettingName): ReadonlyArray<string> => {
  const shape = shapeOf(Settings.fields[name])
  const { meaning } = settingInfo[name]
  const limits = limitsIn(shape, (words) => words.every((word) => meaning.includes(word)))
  const standard = meaning.includes("by default") ? [] : [`Default: ${defaultText(name)}.`]
  return [...(limits === "" ? [] : [sentence(limits)]), ...standard]
}

const sentence = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`

/** What it may be, unless its meaning names the words already. */
const limitsIn = (shape: Shape, areSaid: (words: ReadonlyArray<string>) => boolean = () => false): string => {
  switch (shape.kind) {
    case "number": {
      const kind = shape.integer === false ? "a number" : "an integer"
      return `${kind} from ${shape.min} to ${shape.max}${shape.unit === undefined ? "" : ` (${shape.unit})`}`
    }
    case "truth":
      return "true or false"
    case "word":
      return areSaid(shape.words) ? "" : `one of ${shape.words.join(", ")}`
    case "list": {
      const item = limitsIn(shape.item, areSaid)
      const size = shape.isNeverEmpty === true ? "a list of at least one" : "a list"
      return item === "" ? size : `${size}, each ${item}`
    }
    default:
      return ""
  }
}

const defaultText = (name: SettingName): string => {
  const { default: text, otherwise } = settingInfo[name]
  return otherwise ?? (text === undefined || text === "" ? "none" : text.replaceAll(",", ", "))
}

/** Its name in the environment, where that is not the file's in capitals. */
export const standardVariable = (name: SettingName): string | undefined => settingInfo[name].variable

/** A key of a map, with what it means and what it may be. */
export const textOfKey = (key: string, { shape, meaning }: FieldShape): string => {
  const limits = limitsIn(shape.kind === "list" ? shape.item : shape, (words) =>
    words.every((word) => meaning.includes(word))
  )
  return `${key}: ${meaning}${limits === "" ? "" : `; ${limits}`}`
}
