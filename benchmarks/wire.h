/* One non-blocking connection, plain or TLS: what the server and the load generator share. */
#ifndef WIRE_H
#define WIRE_H

#define _GNU_SOURCE
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>
#ifdef WITH_TLS
#include <openssl/err.h>
#include <openssl/ssl.h>
#else
typedef void SSL;
typedef void SSL_CTX;
#endif

enum { AGAIN = -1, BROKEN = -2 };

struct wire {
    int fd;
    SSL *ssl;
};

static inline void die(const char *what) {
    perror(what);
    exit(1);
}

static inline int64_t monotonic_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

#ifdef WITH_TLS
static inline ssize_t tls_result(SSL *ssl, int n) {
    int why = SSL_get_error(ssl, n);
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) return AGAIN;
    ERR_clear_error();
    return why == SSL_ERROR_ZERO_RETURN ? 0 : BROKEN;
}
#endif

static inline ssize_t plain_result(ssize_t n) {
    return n >= 0 ? n : errno == EAGAIN || errno == EWOULDBLOCK ? AGAIN : BROKEN;
}

/* Up to n bytes; 0 at the end of the stream, AGAIN, or BROKEN. */
static inline ssize_t wire_read(struct wire *w, void *into, size_t n) {
#ifdef WITH_TLS
    if (w->ssl) {
        int got = SSL_read(w->ssl, into, n > 1 << 20 ? 1 << 20 : (int)n);
        return got > 0 ? got : tls_result(w->ssl, got);
    }
#endif
    return plain_result(recv(w->fd, into, n, 0));
}

/* Like wire_read, but the bytes are of no interest: TCP drops them in the kernel, without a copy. */
static inline ssize_t wire_discard(struct wire *w, size_t n) {
    static char sink[1 << 18];
    if (w->ssl) return wire_read(w, sink, n < sizeof sink ? n : sizeof sink);
    return plain_result(recv(w->fd, sink, n < 1 << 20 ? n : 1 << 20, MSG_TRUNC));
}

static inline ssize_t wire_write(struct wire *w, const void *from, size_t n, bool more) {
#ifdef WITH_TLS
    if (w->ssl) {
        int put = SSL_write(w->ssl, from, n > 1 << 20 ? 1 << 20 : (int)n);
        return put > 0 ? put : tls_result(w->ssl, put);
    }
#endif
    return plain_result(send(w->fd, from, n, MSG_NOSIGNAL | (more ? MSG_MORE : 0)));
}

static inline void wire_close(struct wire *w) {
#ifdef WITH_TLS
    if (w->ssl) SSL_free(w->ssl);
#endif
    close(w->fd);
}

#endif
