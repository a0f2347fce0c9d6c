/* What provider.c and generator.c share: clock, send-time stamps, growing buffers, the little of HTTP that both read. */
#ifndef WEIGHBRIDGE_LOADTESTS_WIRE_H
#define WEIGHBRIDGE_LOADTESTS_WIRE_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000LL

static inline int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * SECOND + t.tv_nsec;
}

/* Wakes the epoll loop at a monotonic time; 0 disarms. epoll's own timeout is too coarse for 5 ms of pacing. */
static inline void arm(int timer, int64_t at_ns) {
    struct itimerspec spec = {.it_value = {.tv_sec = at_ns / SECOND, .tv_nsec = at_ns % SECOND}};
    timerfd_settime(timer, TFD_TIMER_ABSTIME, &spec, NULL);
}

/* A stamp is "@T" + 16 letters a..p (nanoseconds in base 16) + "@": letters, since digits could pass for a card number. */
#define STAMP_OPEN "@T"
#define STAMP_CHARS 19

static inline void write_stamp(char *to, int64_t ns) {
    memcpy(to, STAMP_OPEN, 2);
    for (int i = 0; i < 16; i++) to[2 + i] = (char)('a' + ((uint64_t)ns >> (60 - 4 * i) & 15));
    to[18] = '@';
}

static inline int64_t read_stamp(const char *from) {
    uint64_t ns = 0;
    for (int i = 0; i < 16; i++) ns = ns << 4 | (uint64_t)((from[2 + i] - 'a') & 15);
    return (int64_t)ns;
}

/* Bytes that grow. Always has room for a terminating zero that is not counted. */
typedef struct {
    char *data;
    size_t length, room;
} buffer;

static inline char *reserve(buffer *b, size_t more) {
    if (b->length + more + 1 > b->room) {
        b->room = (b->length + more + 1) * 2;
        b->data = realloc(b->data, b->room);
        if (!b->data) abort();
    }
    return b->data + b->length;
}

static inline void append(buffer *b, const char *bytes, size_t length) {
    memcpy(reserve(b, length), bytes, length);
    b->length += length;
    b->data[b->length] = 0;
}

static inline void discard(buffer *b, size_t length) {
    memmove(b->data, b->data + length, b->length - length);
    b->length -= length;
    b->data[b->length] = 0;
}

/* The value of a header in a zero-terminated head, or NULL. `name` is "\r\nname:". */
static inline const char *header(const char *head, const char *name) {
    const char *at = strcasestr(head, name);
    if (!at) return NULL;
    at += strlen(name);
    while (*at == ' ' || *at == '\t') at++;
    return at;
}

static inline bool header_is(const char *head, const char *name, const char *value) {
    const char *at = header(head, name);
    return at && strncasecmp(at, value, strlen(value)) == 0;
}

static inline void no_delay(int fd) {
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static inline struct sockaddr_in loopback(int port) {
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

#endif
