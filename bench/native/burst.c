/* Queries at once: sends one for each line of FILE (`name A`) to 127.0.0.1 as fast as the kernel takes them, and waits
   until all are answered or nothing came for half a second. dnsperf cannot do this: it starts slowly.
   Prints how many were answered, and in microseconds when the last answer came and how long the slowest took.
   Usage: burst PORT FILE */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

/* Ids tell the queries apart, so there are no more than these. */
enum { BATCH = 64, SIZE = 512, MOST = 65536, SOCKET_BUFFER = 16 << 20, SILENCE_MS = 500 };

static unsigned char queries[MOST][SIZE];
static int lengths[MOST];
static double sent_at[MOST];
static char is_answered[MOST];
static unsigned char replies[BATCH][SIZE];
static double last_answer, longest;
static int answered;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* Header, the name's labels, type A, class IN. Returns the length. */
static int encode(unsigned char *out, int id, const char *name) {
  const unsigned char header[12] = {(unsigned char)(id >> 8), (unsigned char)id, 1, 0, 0, 1};
  memcpy(out, header, sizeof header);
  int at = sizeof header;
  while (*name != 0) {
    int length = (int)strcspn(name, ".");
    out[at++] = (unsigned char)length;
    memcpy(out + at, name, (size_t)length);
    at += length;
    name += length + (name[length] == '.');
  }
  const unsigned char rest[5] = {0, 0, 1, 0, 1};
  memcpy(out + at, rest, sizeof rest);
  return at + (int)sizeof rest;
}

/* Takes what has come. */
static void receive(int fd) {
  struct iovec vectors[BATCH];
  struct mmsghdr messages[BATCH];
  memset(messages, 0, sizeof messages);
  for (int i = 0; i < BATCH; i++) {
    vectors[i] = (struct iovec){.iov_base = replies[i], .iov_len = SIZE};
    messages[i].msg_hdr.msg_iov = &vectors[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  for (int n; (n = recvmmsg(fd, messages, BATCH, MSG_DONTWAIT, 0)) > 0;) {
    double at = now();
    for (int i = 0; i < n; i++) {
      int id = replies[i][0] << 8 | replies[i][1];
      if (is_answered[id]) continue;
      is_answered[id] = 1;
      answered++;
      last_answer = at;
      if (at - sent_at[id] > longest) longest = at - sent_at[id];
    }
  }
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  FILE *file = fopen(argv[2], "r");
  if (file == NULL) return 1;
  int count = 0;
  for (char name[256]; count < MOST && fscanf(file, "%255s A", name) == 1; count++) {
    lengths[count] = encode(queries[count], count, name);
  }
  int fd = socket(AF_INET, SOCK_DGRAM, 0), size = SOCKET_BUFFER;
  struct sockaddr_in server = {.sin_family = AF_INET,
                               .sin_port = htons((unsigned short)atoi(argv[1])),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  /* Past the system's limit where this is allowed, so that the client is not the one that loses. */
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) != 0) {
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
  }
  if (connect(fd, (struct sockaddr *)&server, sizeof server) != 0) return 1;

  struct iovec vectors[BATCH];
  struct mmsghdr messages[BATCH];
  memset(messages, 0, sizeof messages);
  double start = now();
  for (int done = 0; done < count;) {
    int n = count - done < BATCH ? count - done : BATCH;
    double at = now();
    for (int i = 0; i < n; i++) {
      vectors[i] = (struct iovec){.iov_base = queries[done + i], .iov_len = (size_t)lengths[done + i]};
      messages[i].msg_hdr.msg_iov = &vectors[i];
      messages[i].msg_hdr.msg_iovlen = 1;
      sent_at[done + i] = at;
    }
    int taken = sendmmsg(fd, messages, (unsigned int)n, 0);
    if (taken <= 0) return 1;
    done += taken;
    receive(fd);
  }
  double all_sent = now();
  struct pollfd readable = {.fd = fd, .events = POLLIN};
  while (answered < count && poll(&readable, 1, SILENCE_MS) > 0) receive(fd);
  printf("answered %d of %d, sent %.0f, last %.0f, longest %.0f\n", answered, count, all_sent - start,
         last_answer - start, longest);
  return 0;
}
