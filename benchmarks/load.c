/* A raw load generator: what the benchmark server can do when the client costs next to nothing.
 *
 *   load PORT plain|tls CONNECTIONS SECONDS METHOD PATH BODY_BYTES
 *
 * Prints one JSON object: requests and bytes in SECONDS over keep-alive connections, one request at a time on each.
 */
#include "wire.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

struct flow {
    struct wire wire;
    size_t head_left, body_left, have;
    uint64_t answer_left;
    char head[4096];
};

static char request[2048], body[1 << 20];
static size_t request_size, body_size;
static uint64_t requests, bytes;
static bool head_only;

static void restart(struct flow *f) {
    f->head_left = request_size;
    f->body_left = body_size;
    f->have = 0;
}

/* Runs until the socket has nothing more to give or to take. */
static void run(struct flow *f) {
    ssize_t n;
    for (;;) {
        if (f->head_left) {
            n = wire_write(&f->wire, request + request_size - f->head_left, f->head_left, f->body_left > 0);
            if (n > 0) f->head_left -= (size_t)n;
        } else if (f->body_left) {
            n = wire_write(&f->wire, body, f->body_left < sizeof body ? f->body_left : sizeof body, false);
            if (n > 0) f->body_left -= (size_t)n, bytes += (uint64_t)n;
        } else if (f->answer_left) {
            n = wire_discard(&f->wire, f->answer_left);
            if (n > 0) f->answer_left -= (uint64_t)n, bytes += (uint64_t)n;
            if (n > 0 && !f->answer_left) requests++, restart(f);
        } else {
            n = wire_read(&f->wire, f->head + f->have, sizeof f->head - 1 - f->have);
            if (n > 0) {
                f->have += (size_t)n;
                f->head[f->have] = 0;
                char *end = strstr(f->head, "\r\n\r\n"), *length = strcasestr(f->head, "\r\ncontent-length:");
                if (!end) continue;
                if (strncmp(f->head, "HTTP/1.1 20", 11)) fprintf(stderr, "%s", f->head), exit(1);
                uint64_t total = length && !head_only ? strtoull(length + 17, NULL, 10) : 0;
                size_t early = f->have - (size_t)(end + 4 - f->head);
                bytes += early;
                f->answer_left = total - early;
                if (!f->answer_left) requests++, restart(f);
            }
        }
        if (n == AGAIN) return;
        if (n <= 0) fprintf(stderr, "the server closed a connection\n"), exit(1);
    }
}

int main(int argc, char **argv) {
    if (argc != 8) return fprintf(stderr, "load PORT plain|tls CONNECTIONS SECONDS METHOD PATH BODY_BYTES\n"), 2;
    int connections = atoi(argv[3]), epoll_fd = epoll_create1(0), on = 1;
    double seconds = atof(argv[4]);
    signal(SIGPIPE, SIG_IGN);
    body_size = strtoull(argv[7], NULL, 10);
    head_only = !strcmp(argv[5], "HEAD");
    request_size = (size_t)snprintf(request, sizeof request,
                                    "%s %s HTTP/1.1\r\nHost: 127.0.0.1:%s\r\nx-amz-content-sha256: UNSIGNED-PAYLOAD\r\n"
                                    "x-amz-date: 20260101T000000Z\r\nAuthorization: AWS4-HMAC-SHA256 Credential=bench\r\nContent-Length: %zu\r\n\r\n",
                                    argv[5], argv[6], argv[1], body_size);
#ifdef WITH_TLS
    SSL_CTX *tls = strcmp(argv[2], "tls") ? NULL : SSL_CTX_new(TLS_client_method());
    if (tls) {
        SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
        SSL_CTX_set_read_ahead(tls, 1);
        SSL_CTX_set_default_read_buffer_len(tls, 1 << 17);
    }
#endif
    struct flow *flows = calloc((size_t)connections, sizeof *flows);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1]))};
    inet_pton(AF_INET, "127.0.0.1", &a.sin_addr);
    for (int i = 0; i < connections; i++) {
        struct flow *f = &flows[i];
        f->wire.fd = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(f->wire.fd, (struct sockaddr *)&a, sizeof a)) die("connect");
        setsockopt(f->wire.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
#ifdef WITH_TLS
        if (tls) {
            f->wire.ssl = SSL_new(tls);
            SSL_set_fd(f->wire.ssl, f->wire.fd);
            if (SSL_connect(f->wire.ssl) != 1) die("handshake");
        }
#endif
        int flags = 1;
        if (ioctl(f->wire.fd, FIONBIO, &flags)) die("ioctl");
        restart(f);
        struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = f};
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, f->wire.fd, &event);
    }
    int64_t started = monotonic_ns(), now = started;
    while (now - started < (int64_t)(seconds * 1e9)) {
        struct epoll_event events[256];
        int n = epoll_wait(epoll_fd, events, 256, 100);
        for (int i = 0; i < n; i++) run(events[i].data.ptr);
        now = monotonic_ns();
    }
    printf("{\"requests\":%llu,\"bytes\":%llu,\"seconds\":%.6f}\n", (unsigned long long)requests, (unsigned long long)bytes,
           (double)(now - started) / 1e9);
    return 0;
}
