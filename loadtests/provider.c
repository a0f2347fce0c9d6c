/* provider: the cheapest OpenAI-compatible provider there can be; one thread, one epoll loop.
 *
 *   provider PORT        listens on 127.0.0.1:PORT (0: any) and prints "listening on PORT"
 *
 * POST: a chat.completion of about 900 bytes, or server-sent events when the body says "stream":true. GET: a model list.
 * The prompt steers it, since every gateway passes the prompt through:
 *   @w=USEC@             wait that long before the first byte
 *   @n=CHUNKS,d=USEC@    stream that many content chunks on a fixed schedule, USEC apart (0: as fast as they go)
 * Each content chunk carries the time at which it was written (wire.h), from which the generator computes the delay of
 * the relay. A usage chunk comes last when the body asks for it with include_usage. */
#define _GNU_SOURCE
#include "wire.h"

#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>

enum { MAX_FD = 16384, MAX_HEAD = 65536, MAX_BODY = 64 << 20, PROMPT_TOKENS = 60, WHOLE_TOKENS = 48 };

typedef struct {
    buffer in, out;
    int slot;            /* place in `timed`, -1 when not waiting for a time */
    bool waiting;        /* the head of the answer is not yet sent */
    bool stream, usage, closing;
    long chunks, left;   /* content chunks in all, and those to come */
    int64_t due, interval;
} connection;

static connection *connections[MAX_FD];
static int timed[MAX_FD], timed_count;
static int epoll, timer;
static buffer whole;

#define IDENTITY "\"id\":\"chatcmpl-AbCdEfGhIjKlMnOpQrStUvWxYz012\""
#define MODEL "\"created\":1760000000,\"model\":\"gpt-4o-mini-2024-07-18\""
#define EVENT "data: {" IDENTITY ",\"object\":\"chat.completion.chunk\"," MODEL ",\"system_fingerprint\":\"fp_0123456789\","

static void watch(int fd, bool writable) {
    struct epoll_event event = {.events = EPOLLIN | (writable ? EPOLLOUT : 0u), .data.fd = fd};
    epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &event);
}

static void leave_timed(connection *c) {
    if (c->slot < 0) return;
    int last = timed[--timed_count];
    timed[c->slot] = last;
    connections[last]->slot = c->slot;
    c->slot = -1;
}

static void enter_timed(int fd) {
    connection *c = connections[fd];
    if (c->slot < 0) {
        c->slot = timed_count;
        timed[timed_count++] = fd;
    }
}

static void hang_up(int fd) {
    connection *c = connections[fd];
    leave_timed(c);
    free(c->in.data);
    free(c->out.data);
    free(c);
    connections[fd] = NULL;
    close(fd);
}

/* Writes now what the socket takes, keeps the rest. A broken socket is found by the next read. */
static void emit(int fd, const char *bytes, size_t length) {
    connection *c = connections[fd];
    if (c->out.length == 0) {
        ssize_t written = write(fd, bytes, length);
        if (written == (ssize_t)length) return;
        if (written < 0) written = 0;
        bytes += written;
        length -= (size_t)written;
        watch(fd, true);
    }
    append(&c->out, bytes, length);
}

/* One event as one HTTP chunk. */
static int frame(char *to, const char *event, int length) {
    int head = sprintf(to, "%x\r\n", length);
    memcpy(to + head, event, (size_t)length);
    memcpy(to + head + length, "\r\n", 2);
    return head + length + 2;
}

static void emit_event(int fd, const char *choices) {
    char event[1024], framed[1100];
    int length = snprintf(event, sizeof event, EVENT "%s}\n\n", choices);
    emit(fd, framed, (size_t)frame(framed, event, length));
}

static void begin(int fd) {
    static const char head[] =
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nCache-Control: no-cache\r\n"
        "x-request-id: req_0123456789abcdef\r\nTransfer-Encoding: chunked\r\n\r\n";
    connection *c = connections[fd];
    c->waiting = false;
    if (!c->stream) {
        emit(fd, whole.data, whole.length);
        return;
    }
    emit(fd, head, sizeof head - 1);
    emit_event(fd, "\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},"
                   "\"logprobs\":null,\"finish_reason\":null}]");
}

static void token(int fd) {
    char choices[] = "\"choices\":[{\"index\":0,\"delta\":{\"content\":\" token @Taaaaaaaaaaaaaaaa@\"},"
                     "\"logprobs\":null,\"finish_reason\":null}]";
    write_stamp(strstr(choices, STAMP_OPEN), now_ns());
    emit_event(fd, choices);
}

static void finish(int fd) {
    static const char done[] = "e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n";
    connection *c = connections[fd];
    char usage[160];
    emit_event(fd, "\"choices\":[{\"index\":0,\"delta\":{},\"logprobs\":null,\"finish_reason\":\"stop\"}]");
    if (c->usage) {
        snprintf(usage, sizeof usage,
                 "\"choices\":[],\"usage\":{\"prompt_tokens\":%d,\"completion_tokens\":%ld,\"total_tokens\":%ld}",
                 PROMPT_TOKENS, c->chunks, PROMPT_TOKENS + c->chunks);
        emit_event(fd, usage);
    }
    emit(fd, done, sizeof done - 1);
    c->stream = false;
}

/* Does what has fallen due; true when the answer is complete. */
static bool pump(int fd, int64_t now) {
    connection *c = connections[fd];
    if (c->waiting) {
        if (now < c->due) return false;
        begin(fd);
        c->due += c->interval;
    }
    while (c->stream && (c->interval == 0 || now >= c->due)) {
        if (c->left-- > 0) token(fd);
        else finish(fd);
        c->due += c->interval;
    }
    return !c->stream;
}

static long number_after(const char *text, size_t length, const char *mark, long otherwise) {
    const char *at = memmem(text, length, mark, strlen(mark));
    return at ? atol(at + strlen(mark)) : otherwise;
}

static void answer_post(int fd, const char *body, size_t length) {
    connection *c = connections[fd];
    const char *at = memmem(body, length, "\"stream\"", 8);
    if (at) {
        at += 8;
        while (*at == ' ' || *at == ':') at++;
    }
    c->stream = at && strncmp(at, "true", 4) == 0;
    c->usage = memmem(body, length, "include_usage", 13) != NULL;
    c->chunks = c->left = number_after(body, length, "@n=", 100);
    c->interval = number_after(body, length, ",d=", 0) * 1000;
    c->waiting = true;
    c->due = now_ns() + number_after(body, length, "@w=", 0) * 1000;
    if (!pump(fd, now_ns())) enter_timed(fd);
}

static void answer_get(int fd) {
    static const char list[] =
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 76\r\n\r\n"
        "{\"object\":\"list\",\"data\":[{\"id\":\"gpt-4o-mini\",\"object\":\"model\",\"created\":1}]}";
    emit(fd, list, sizeof list - 1);
}

static void refuse(int fd, const char *status) {
    char head[128];
    int length = snprintf(head, sizeof head, "HTTP/1.1 %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", status);
    emit(fd, head, (size_t)length);
    connections[fd]->closing = true;
}

/* How many bytes on the wire a chunked body takes, 0 when it is not yet whole. */
static size_t measure_chunks(const char *body, size_t available) {
    const char *at = body, *end = body + available;
    for (;;) {
        const char *line_end = memmem(at, (size_t)(end - at), "\r\n", 2);
        if (!line_end) return 0;
        size_t size = strtoul(at, NULL, 16);
        at = line_end + 2;
        if ((size_t)(end - at) < size + 2) return 0;
        if (size == 0) return (size_t)(at + 2 - body);
        at += size + 2;
    }
}

/* Joins the chunks of a whole body in place; returns its length. */
static size_t join_chunks(char *body) {
    char *from = body, *to = body;
    for (;;) {
        size_t size = strtoul(from, NULL, 16);
        from = strstr(from, "\r\n") + 2;
        if (size == 0) break;
        memmove(to, from, size);
        to += size;
        from += size + 2;
    }
    *to = 0;
    return (size_t)(to - body);
}

/* Answers the first whole request in the buffer; false when there is none, or an answer is still under way. */
static bool take_request(int fd) {
    connection *c = connections[fd];
    if (c->closing || c->waiting || c->stream || c->in.length == 0) return false;
    char *end = memmem(c->in.data, c->in.length, "\r\n\r\n", 4);
    if (!end) {
        if (c->in.length > MAX_HEAD) refuse(fd, "431 Request Header Fields Too Large");
        return false;
    }
    char *body = end + 4;
    size_t head = (size_t)(body - c->in.data), available = c->in.length - head, length = 0, taken;
    end[2] = 0; /* ends the head for the header look-ups; restored when the request is not yet whole */
    const char *declared = header(c->in.data, "\r\ncontent-length:");
    bool chunked = header_is(c->in.data, "\r\ntransfer-encoding:", "chunked"), complete;
    if (chunked) {
        taken = measure_chunks(body, available);
        complete = taken > 0;
        if (complete) length = join_chunks(body);
    } else {
        taken = length = declared ? strtoul(declared, NULL, 10) : 0;
        complete = available >= length;
    }
    if (available > MAX_BODY || length > MAX_BODY) {
        refuse(fd, "413 Content Too Large");
        return false;
    }
    if (!complete) {
        if (available == 0 && header_is(c->in.data, "\r\nexpect:", "100-continue"))
            emit(fd, "HTTP/1.1 100 Continue\r\n\r\n", 25);
        end[2] = '\r';
        return false;
    }
    if (header_is(c->in.data, "\r\nconnection:", "close")) c->closing = true;
    if (strncmp(c->in.data, "GET ", 4) == 0) answer_get(fd);
    else if (strncmp(c->in.data, "POST ", 5) == 0) answer_post(fd, body, length);
    else refuse(fd, "405 Method Not Allowed");
    discard(&c->in, head + taken);
    return true;
}

/* Hangs up once everything is sent, if the connection is to close. Returns false when it did. */
static bool settle(int fd) {
    connection *c = connections[fd];
    if (!c->closing || c->waiting || c->stream || c->out.length) return true;
    hang_up(fd);
    return false;
}

static void serve(int fd, uint32_t events) {
    connection *c = connections[fd];
    if (events & EPOLLOUT && c->out.length) {
        ssize_t written = write(fd, c->out.data, c->out.length);
        if (written > 0) discard(&c->out, (size_t)written);
        if (!c->out.length) watch(fd, false);
    }
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
        char *room = reserve(&c->in, 16384);
        ssize_t got = read(fd, room, 16384);
        if (got == 0 || (got < 0 && errno != EAGAIN)) {
            hang_up(fd);
            return;
        }
        if (got > 0) c->in.length += (size_t)got, c->in.data[c->in.length] = 0;
        while (take_request(fd)) continue;
    }
    settle(fd);
}

static void accept_all(int listener) {
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        if (fd >= MAX_FD) {
            close(fd);
            continue;
        }
        no_delay(fd);
        connections[fd] = calloc(1, sizeof(connection));
        connections[fd]->slot = -1;
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
    }
}

/* Gives every connection that waits for a time its turn, then sleeps until the next one falls due. */
static void run_timed(void) {
    int64_t now = now_ns(), next = 0;
    for (int i = timed_count - 1; i >= 0; i--) {
        int fd = timed[i];
        if (!pump(fd, now)) continue;
        leave_timed(connections[fd]);
        while (take_request(fd)) continue;
        settle(fd);
    }
    for (int i = 0; i < timed_count; i++) {
        int64_t due = connections[timed[i]]->due;
        if (!next || due < next) next = due;
    }
    static int64_t armed;
    if (next != armed) arm(timer, armed = next);
}

static void prepare_whole(void) {
    static const char body[] =
        "{" IDENTITY ",\"object\":\"chat.completion\"," MODEL ",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\","
        "\"content\":\"A gateway sits between applications and model providers. It gives one API for many models, keeps the "
        "keys in one place, counts tokens and cost for each team, retries and falls back when a provider fails, and can cache "
        "answers that repeat.\",\"refusal\":null,\"annotations\":[]},\"logprobs\":null,\"finish_reason\":\"stop\"}],"
        "\"usage\":{\"prompt_tokens\":%d,\"completion_tokens\":%d,\"total_tokens\":%d,\"prompt_tokens_details\":"
        "{\"cached_tokens\":0,\"audio_tokens\":0},\"completion_tokens_details\":{\"reasoning_tokens\":0,\"audio_tokens\":0,"
        "\"accepted_prediction_tokens\":0,\"rejected_prediction_tokens\":0}},\"service_tier\":\"default\","
        "\"system_fingerprint\":\"fp_0123456789\"}";
    char text[2048], head[256];
    int length = snprintf(text, sizeof text, body, PROMPT_TOKENS, WHOLE_TOKENS, PROMPT_TOKENS + WHOLE_TOKENS);
    int head_length = snprintf(head, sizeof head,
                               "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nx-request-id: req_0123456789abcdef\r\n"
                               "openai-processing-ms: 1\r\nContent-Length: %d\r\n\r\n",
                               length);
    append(&whole, head, (size_t)head_length);
    append(&whole, text, (size_t)length);
}

int main(int count, char **arguments) {
    if (count != 2) return fprintf(stderr, "usage: provider PORT\n"), 2;
    signal(SIGPIPE, SIG_IGN);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    struct sockaddr_in address = loopback(atoi(arguments[1]));
    socklen_t size = sizeof address;
    if (bind(listener, (struct sockaddr *)&address, size) || listen(listener, 4096)) return perror("provider"), 1;
    getsockname(listener, (struct sockaddr *)&address, &size);
    prepare_whole();
    epoll = epoll_create1(0);
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, events[256];
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    event.data.fd = timer;
    epoll_ctl(epoll, EPOLL_CTL_ADD, timer, &event);
    printf("listening on %d\n", ntohs(address.sin_port));
    fflush(stdout);
    for (;;) {
        int ready = epoll_wait(epoll, events, 256, -1);
        for (int i = 0; i < ready; i++) {
            int fd = events[i].data.fd;
            uint64_t ticks;
            if (fd == listener) accept_all(listener);
            else if (fd == timer) { if (read(timer, &ticks, sizeof ticks) < 0) continue; }
            else if (connections[fd]) serve(fd, events[i].events);
        }
        run_timed();
    }
}
