/* generator: chat calls at 127.0.0.1:PORT; one thread, one epoll loop, keep-alive. Prints one JSON object.
 *
 *   generator PORT [-c CONNECTIONS] [-t SECONDS] [-W WARM_UP_S] [-r REQUESTS_PER_S] [-s] [-n CHUNKS] [-d USEC] [-w USEC]
 *                  [-m MODEL] [-k KEY] [-u PATH] [-g]
 *
 *   -r   open loop: requests leave on schedule whatever the answers do, and latency counts from the scheduled time.
 *        Without it the loop is closed: each connection sends its next request when its answer is complete.
 *   -s   streams of CHUNKS content chunks, USEC apart at the provider; -w: the provider's wait before the first byte
 *   -g   each connection first asks POST /healthz: it shows how a server treats a connection that did not start hot
 *
 * What counts towards figures starts and ends between the end of the warm-up and the end of the run. Times are in
 * microseconds. Streams: ttft is request sent to first content chunk; relay is from the provider's write of a chunk to its
 * arrival here, by the stamp it carries (wire.h; one machine, one monotonic clock). */
#define _GNU_SOURCE
#include "wire.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <sys/epoll.h>

enum { MAX_CONNECTIONS = 8192, READ_BYTES = 1 << 18, GRACE_S = 5 };

typedef struct {
    float *us;
    size_t count, room;
} samples;

/* Where the reader of an answer stands. */
typedef enum { HEAD, BODY, UNTIL_CLOSE, CHUNK_SIZE, CHUNK_DATA, CHUNK_END, TRAILER } stage;

typedef struct {
    int fd, status;
    bool begun, busy, probing, closing, done;
    stage stage;
    int64_t started, left; /* bytes of the body or chunk still to come */
    size_t sent;
    long chunks;
    buffer head, line, text; /* head of the answer; chunk-size or trailer line; text not yet searched for stamps */
} connection;

static connection *connections;
static int connection_count = 64, epoll;
static struct sockaddr_in server;
static bool streaming, probe_first;
static long chunks_wanted = 100;
static int64_t measure_from, measure_to;
static buffer request, probe;
static samples latency, ttft, relay;
static long ok, bad, broken, incomplete, late, served, chunks_served, chunks_measured;
static char complaint[240];

static bool measured(int64_t now) { return now >= measure_from && now < measure_to; }

static void add(samples *s, int64_t ns) {
    if (s->count == s->room) {
        s->room = s->room ? s->room * 2 : 65536;
        s->us = realloc(s->us, s->room * sizeof *s->us);
        if (!s->us) abort();
    }
    s->us[s->count++] = (float)ns / 1000;
}

static int by_size(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static void print_samples(const char *label, samples *s) {
    qsort(s->us, s->count, sizeof *s->us, by_size);
    printf(",\"%s\":{\"n\":%zu", label, s->count);
    static const struct { const char *label; double share; } points[] = {{"p50", .5}, {"p95", .95}, {"p99", .99}, {"max", 1}};
    for (size_t i = 0; i < 4; i++)
        printf(",\"%s\":%.1f", points[i].label, s->count ? s->us[(size_t)(points[i].share * (double)(s->count - 1) + .5)] : 0.0);
    printf("}");
}

static void dial(connection *c) {
    if (c->fd > 0) close(c->fd);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    no_delay(c->fd);
    connect(c->fd, (struct sockaddr *)&server, sizeof server);
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.u32 = (uint32_t)(c - connections)};
    epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event);
    c->busy = false;
    c->probing = probe_first;
    c->closing = false;
}

static void push(connection *c) {
    const buffer *what = c->probing ? &probe : &request;
    while (c->sent < what->length) {
        ssize_t written = write(c->fd, what->data + c->sent, what->length - c->sent);
        if (written <= 0) return;
        c->sent += (size_t)written;
    }
}

static void expect_answer(connection *c) {
    c->sent = c->head.length = c->line.length = c->text.length = 0;
    c->stage = HEAD;
    c->done = false;
    c->chunks = 0;
    push(c);
}

static void begin(connection *c, int64_t at) {
    c->begun = c->busy = true;
    c->started = at;
    expect_answer(c);
}

static void complain(const connection *c) {
    if (complaint[0]) return;
    snprintf(complaint, sizeof complaint, "%.100s|%.120s", c->head.length ? c->head.data : "", c->text.length ? c->text.data : "");
}

static void complete(connection *c, int64_t now) {
    if (c->probing) { /* the connection is warm; the request itself goes out now, timed from when it was due */
        c->probing = false;
        expect_answer(c);
        return;
    }
    c->busy = false;
    served++;
    if (measured(now)) {
        bool whole = !streaming || (c->done && c->chunks >= chunks_wanted);
        if (c->status == 200 && whole) {
            ok++;
            add(&latency, now - c->started);
        } else {
            if (c->status == 200) incomplete++;
            else bad++;
            complain(c);
        }
    }
    if (c->closing) dial(c);
}

/* Searches decoded text for stamps and for the end mark; keeps a tail that may hold the start of either. */
static void read_text(connection *c, const char *bytes, size_t length, int64_t now) {
    append(&c->text, bytes, length);
    char *at = c->text.data, *end = at + c->text.length, *hit;
    while ((hit = memmem(at, (size_t)(end - at), STAMP_OPEN, 2)) && end - hit >= STAMP_CHARS) {
        if (c->chunks++ == 0 && measured(now)) add(&ttft, now - c->started);
        chunks_served++;
        if (measured(now)) {
            chunks_measured++;
            add(&relay, now - read_stamp(hit));
        }
        at = hit + STAMP_CHARS;
    }
    if (memmem(at, (size_t)(end - at), "[DONE]", 6)) c->done = true;
    char *keep = hit ? hit : end - at > STAMP_CHARS ? end - STAMP_CHARS : at;
    discard(&c->text, (size_t)(keep - c->text.data));
}

static void read_head(connection *c, int64_t now) {
    const char *head = c->head.data;
    c->status = atoi(head + 9);
    c->closing = header_is(head, "\r\nconnection:", "close");
    const char *declared = header(head, "\r\ncontent-length:");
    if (header_is(head, "\r\ntransfer-encoding:", "chunked")) c->stage = CHUNK_SIZE;
    else if (declared) c->left = atoll(declared), c->stage = BODY;
    else c->left = INT64_MAX, c->stage = UNTIL_CLOSE;
    if (c->stage == BODY && c->left == 0) complete(c, now);
}

/* Takes a line's bytes up to and including the newline; true when the line is complete. */
static bool take_line(buffer *line, const char **at, const char *end) {
    const char *newline = memchr(*at, '\n', (size_t)(end - *at));
    const char *stop = newline ? newline + 1 : end;
    append(line, *at, (size_t)(stop - *at));
    *at = stop;
    return newline != NULL;
}

static void take_head(connection *c, const char **at, const char *end, int64_t now) {
    size_t before = c->head.length;
    append(&c->head, *at, (size_t)(end - *at));
    char *stop = strstr(c->head.data, "\r\n\r\n");
    if (!stop) {
        *at = end;
        return;
    }
    size_t length = (size_t)(stop + 4 - c->head.data);
    *at += length - before;
    c->head.length = length;
    stop[2] = 0;
    read_head(c, now);
}

static void take_body(connection *c, const char **at, const char *end, int64_t now) {
    size_t length = (size_t)(end - *at);
    if ((int64_t)length > c->left) length = (size_t)c->left;
    if (streaming || c->status != 200) read_text(c, *at, length, now);
    *at += length;
    c->left -= (int64_t)length;
}

/* Reads what arrived. Stops when the answer is complete: there is no pipelining, so nothing may follow it. */
static void read_answer(connection *c, const char *at, const char *end, int64_t now) {
    while (at < end && c->busy) switch (c->stage) {
        case HEAD: take_head(c, &at, end, now); break;
        case UNTIL_CLOSE:
        case BODY:
            take_body(c, &at, end, now);
            if (c->left == 0) complete(c, now);
            break;
        case CHUNK_SIZE:
            if (!take_line(&c->line, &at, end)) break;
            c->left = (int64_t)strtoull(c->line.data, NULL, 16);
            c->line.length = 0;
            c->stage = c->left ? CHUNK_DATA : TRAILER;
            break;
        case CHUNK_DATA:
            take_body(c, &at, end, now);
            if (c->left == 0) c->stage = CHUNK_END;
            break;
        case CHUNK_END:
            if (!take_line(&c->line, &at, end)) break;
            c->line.length = 0;
            c->stage = CHUNK_SIZE;
            break;
        case TRAILER:
            if (!take_line(&c->line, &at, end)) break;
            if (c->line.length <= 2) complete(c, now);
            c->line.length = 0;
            break;
        }
}

static void lost(connection *c, int64_t now) {
    if (c->busy && c->stage == UNTIL_CLOSE) {
        complete(c, now);
        if (!c->busy) dial(c);
        return;
    }
    if (c->busy && measured(now)) broken++;
    dial(c);
}

static void ready(connection *c, uint32_t events, bool closed_loop) {
    static char bytes[READ_BYTES];
    if (events & EPOLLOUT && c->busy) push(c);
    for (;;) {
        ssize_t got = read(c->fd, bytes, sizeof bytes);
        int64_t now = now_ns();
        if (got < 0 && errno == EAGAIN) break;
        if (got <= 0) lost(c, now);
        else read_answer(c, bytes, bytes + got, now);
        if (closed_loop && !c->busy && c->begun) begin(c, now_ns());
        if (got < (ssize_t)sizeof bytes) break;
    }
}

static connection *idle(void) {
    static int next; /* round robin, so that every connection sees traffic */
    for (int i = 0; i < connection_count; i++) {
        connection *c = connections + (next + i) % connection_count;
        if (c->busy) continue;
        next = (int)(c - connections + 1) % connection_count;
        return c;
    }
    return NULL;
}

/* Runs until measure_to. An open loop has a step between requests; a closed loop starts its connections one by one over
 * `spread` nanoseconds, so that paced streams do not march in step. */
static void run(double rate, int64_t spread) {
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = UINT32_MAX}, events[256];
    epoll_ctl(epoll, EPOLL_CTL_ADD, timer, &event);
    bool open_loop = rate > 0;
    int64_t due = now_ns(), step = open_loop ? (int64_t)(SECOND / rate) : spread / connection_count;
    long to_begin = open_loop ? LONG_MAX : connection_count;
    for (int64_t now = now_ns(); now < measure_to; now = now_ns()) {
        for (; to_begin && due <= now; due += step, to_begin--) {
            connection *c = open_loop ? idle() : connections + (connection_count - to_begin);
            if (c) begin(c, due);
            else if (measured(due)) late++;
        }
        arm(timer, to_begin && due < measure_to ? due : measure_to);
        int count = epoll_wait(epoll, events, 256, GRACE_S * 1000);
        for (int i = 0; i < count; i++) {
            uint64_t ticks;
            if (events[i].data.u32 != UINT32_MAX) ready(connections + events[i].data.u32, events[i].events, !open_loop);
            else if (read(timer, &ticks, sizeof ticks) < 0) continue;
        }
    }
}

static void report(int port, double rate, double seconds) {
    printf("{\"port\":%d,\"stream\":%s,\"connections\":%d,\"rate\":%.0f,\"seconds\":%.2f", port, streaming ? "true" : "false",
           connection_count, rate, seconds);
    printf(",\"requests_per_s\":%.1f,\"chunks_per_s\":%.1f", (double)ok / seconds, (double)chunks_measured / seconds);
    printf(",\"ok\":%ld,\"bad\":%ld,\"broken\":%ld,\"incomplete\":%ld,\"late\":%ld", ok, bad, broken, incomplete, late);
    printf(",\"served\":%ld,\"chunks_served\":%ld", served, chunks_served);
    print_samples("latency_us", &latency);
    print_samples("ttft_us", &ttft);
    print_samples("relay_us", &relay);
    printf(",\"complaint\":\"");
    for (const char *at = complaint; *at; at++) {
        if (*at == '"' || *at == '\\') putchar('\\');
        putchar(*at >= 32 ? *at : ' ');
    }
    printf("\"}\n");
}

static void prepare(int port, const char *path, const char *key, const char *model, long pause_us, long wait_us) {
    char body[2048], head[1024];
    int length = snprintf(
        body, sizeof body,
        "{\"model\":\"%s\",\"messages\":[{\"role\":\"system\",\"content\":\"You are a helpful assistant. Answer shortly, in plain "
        "words, and say so when you do not know.\"},{\"role\":\"user\",\"content\":\"What does a gateway do between an application "
        "and the model providers, and why would a company run one? @w=%ld@ @n=%ld,d=%ld@\"}],\"temperature\":0.7,"
        "\"max_tokens\":256%s}",
        model, wait_us, chunks_wanted, pause_us, streaming ? ",\"stream\":true" : "");
    int head_length = snprintf(head, sizeof head,
                               "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUser-Agent: generator\r\nAccept: */*\r\n"
                               "Authorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n",
                               path, port, key, length);
    append(&request, head, (size_t)head_length);
    append(&request, body, (size_t)length);
    head_length = snprintf(head, sizeof head, "POST /healthz HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Length: 0\r\n\r\n", port);
    append(&probe, head, (size_t)head_length);
}

int main(int count, char **arguments) {
    double seconds = 5, warm_up = 1, rate = 0;
    long pause_us = 0, wait_us = 0;
    const char *model = "gpt-4o-mini", *key = "sk-load", *path = "/v1/chat/completions";
    for (int option; (option = getopt(count, arguments, "c:t:W:r:sn:d:w:m:k:u:g")) > 0;) switch (option) {
        case 'c': connection_count = atoi(optarg); break;
        case 't': seconds = atof(optarg); break;
        case 'W': warm_up = atof(optarg); break;
        case 'r': rate = atof(optarg); break;
        case 's': streaming = true; break;
        case 'n': chunks_wanted = atol(optarg); break;
        case 'd': pause_us = atol(optarg); break;
        case 'w': wait_us = atol(optarg); break;
        case 'm': model = optarg; break;
        case 'k': key = optarg; break;
        case 'u': path = optarg; break;
        case 'g': probe_first = true; break;
        default: return 2;
        }
    if (optind != count - 1 || connection_count < 1 || connection_count > MAX_CONNECTIONS || seconds <= 0)
        return fprintf(stderr, "usage: generator PORT [options], see the top of generator.c\n"), 2;
    int port = atoi(arguments[optind]);
    signal(SIGPIPE, SIG_IGN);
    server = loopback(port);
    prepare(port, path, key, model, pause_us, wait_us);
    connections = calloc((size_t)connection_count, sizeof *connections);
    epoll = epoll_create1(0);
    for (int i = 0; i < connection_count; i++) dial(connections + i);
    measure_from = now_ns() + (int64_t)(warm_up * SECOND);
    measure_to = measure_from + (int64_t)(seconds * SECOND);
    run(rate, streaming ? (int64_t)(warm_up * SECOND) : 0);
    report(port, rate, seconds);
    return 0;
}
