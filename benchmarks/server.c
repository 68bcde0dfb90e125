/* An S3 look-alike for benchmarks: one thread, edge-triggered epoll, no storage.
 *
 *   GET, HEAD  /bucket/size/<bytes>/<anything>   an object of that size (sizes are declared at start), with Range and conditions
 *   PUT        /bucket/<key>                     the body is counted and discarded; so are the parts of a multipart upload
 *   GET        /bucket?list-type=2&prefix=list/<count>/   <count> generated keys in pages of 1,000
 *   GET, HEAD  /bucket/tree/<count>/<bytes>/<number>      one of that many objects of that size, which are listed as they are
 *   GET        /_stats                           counters of this process as JSON
 *
 * Below /devstoreaccount1 it looks like Azure's Blob service instead, below /v1/AUTH_benchmark like OpenStack Swift, both
 * with the same objects in the container bench; and like Google Cloud Storage in the bucket bench-gcs, by its XML API and
 * by its JSON API, which shows of its resources what ?fields= asks for, and takes media, multipart and resumable uploads.
 * To requests signed for Alibaba Cloud OSS it answers as that does.
 *
 * Signatures are not checked. With --delay-us and --rate a link is emulated: a delay before the first byte of every answer
 * and a rate in bytes per second for every connection, in both directions. With --busy-above N it answers 503 SlowDown to
 * requests above N in flight.
 */
#include "wire.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define LAST_MODIFIED "Thu, 01 Jan 2026 00:00:00 GMT"
#define AZURE_ACCOUNT "/devstoreaccount1"
#define SWIFT_ACCOUNT "/v1/AUTH_benchmark"
#define GOOGLE_BUCKET "bench-gcs"
#define GENERATION "1767225600000000"
#define HEAD_MAX 32768
#define INLINE_MAX 65536       /* smaller bodies are copied behind their header and leave in one send */
#define QUANTUM (1 << 20)      /* bytes a connection may move before the others have their turn */
#define PACE_NS 2000000        /* how often a rate-limited connection is served */
#define BURST_NS 20000000      /* how much unused rate it may catch up */
#define FIRST_BURST 16384

struct object {
    uint64_t size;
    char etag[40], crc64[16], crc32c[16], md5[32];
    uint64_t crc64ecma;
};

struct conn {
    struct wire wire;
    enum { HEAD, BODY, DELAY, ANSWER } state;
    bool drained, hangup, pending, closing, head_only;
    enum { SIZED, CHUNK, TRAILER } framing;
    char in[HEAD_MAX];
    size_t in_len, in_off;
    uint64_t body_left;
    char *out;
    size_t out_len, out_cap, out_off;
    uint64_t content_at, content_left;
    int64_t wake_at, credit, credit_at;
};

struct request {
    char *method, *path, *query;
    const char *range, *if_match, *if_none_match, *payload, *content_range, *host;
    uint64_t length;
    bool checksum_mode, chunked, expects, close, azure, swift, oss, google, upload, google_xml;
    char echo[512];
    size_t echo_len;
};

static struct object objects[32];
static int object_count, epoll_fd, conn_count;
static uint64_t content_size, rate, busy_above, in_flight;
static const char *content; /* small enough for the processor's cache, which sendfile() from a file would miss */
static int64_t delay_ns, now;
#ifdef WITH_TLS
static SSL_CTX *tls;
#endif
static char date[64], cipher[64] = "";
static struct conn *pending[65536];
static int pending_count;
static struct {
    uint64_t requests, bytes_in, bytes_out, signed_, unsigned_, streaming, anonymous, checksums, refused;
} stats;

/* ---- checksums ---- */

#define NVME 0x9A6C9329AC4BC9B5ULL
#define ECMA 0xC96C5795D7870F42ULL

static uint64_t crc64(uint64_t polynomial, uint64_t size) {
    static uint64_t crc_table[8][256], made;
    if (made != polynomial) {
        for (int i = 0; i < 256; i++) {
            uint64_t crc = (uint64_t)i;
            for (int bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >> 1) ^ polynomial : crc >> 1;
            crc_table[0][i] = crc;
        }
        for (int i = 0; i < 256; i++)
            for (int k = 1; k < 8; k++)
                crc_table[k][i] = crc_table[0][crc_table[k - 1][i] & 0xff] ^ (crc_table[k - 1][i] >> 8);
        made = polynomial;
    }
    uint64_t crc = ~0ULL;
    for (uint64_t at = 0; at < size;) {
        const unsigned char *p = (const unsigned char *)content + at % content_size;
        uint64_t n = content_size - at % content_size;
        if (n > size - at) n = size - at;
        at += n;
        for (; n >= 8; n -= 8, p += 8) {
            uint64_t word;
            memcpy(&word, p, 8);
            word ^= crc;
            crc = 0;
            for (int i = 0; i < 8; i++) crc ^= crc_table[7 - i][(word >> (8 * i)) & 0xff];
        }
        for (; n; n--) crc = crc_table[0][(crc ^ *p++) & 0xff] ^ (crc >> 8);
    }
    return ~crc;
}

static void base64_u64(uint64_t value, char out[16]) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    unsigned char raw[9] = {0};
    for (int i = 0; i < 8; i++) raw[i] = (unsigned char)(value >> (56 - 8 * i));
    for (int i = 0, o = 0; i < 9; i += 3, o += 4) {
        unsigned word = raw[i] << 16 | raw[i + 1] << 8 | raw[i + 2];
        for (int k = 0; k < 4; k++) out[o + k] = digits[word >> (18 - 6 * k) & 63];
    }
    out[11] = '=';
    out[12] = 0;
}

static void declare_object(const char *spec) { /* SIZE:MD5, and the same and the CRC32C in base64 */
    struct object *o = &objects[object_count++];
    char etag[33];
    if (sscanf(spec, "%lu:%32[^:]:%24[^:]:%8s", &o->size, etag, o->md5, o->crc32c) != 4) die("--object");
    snprintf(o->etag, sizeof o->etag, "\"%s\"", etag);
    base64_u64(crc64(NVME, o->size), o->crc64);
    o->crc64ecma = crc64(ECMA, o->size);
}

static struct object *find_object(const char *path) { /* /bucket/size/<bytes>/... */
    const char *key = strchr(path + 1, '/');
    uint64_t size;
    if (!key || (sscanf(key, "/size/%lu", &size) != 1 && sscanf(key, "/tree/%*u/%lu", &size) != 1)) return NULL;
    for (int i = 0; i < object_count; i++)
        if (objects[i].size == size) return &objects[i];
    return NULL;
}

/* ---- answers ---- */

static void reserve(struct conn *c, size_t n) {
    if (c->out_len + n <= c->out_cap) return;
    while (c->out_len + n > c->out_cap) c->out_cap = c->out_cap ? c->out_cap * 2 : 4096;
    if (!(c->out = realloc(c->out, c->out_cap))) die("realloc");
}

static void append(struct conn *c, const char *s, size_t n) {
    reserve(c, n);
    memcpy(c->out + c->out_len, s, n);
    c->out_len += n;
}

__attribute__((format(printf, 2, 3))) static void appendf(struct conn *c, const char *format, ...) {
    va_list args;
    reserve(c, 2048);
    va_start(args, format);
    c->out_len += (size_t)vsnprintf(c->out + c->out_len, 2048, format, args);
    va_end(args);
}

static void status(struct conn *c, const char *line) {
    appendf(c,
            "HTTP/1.1 %s\r\nx-amz-id-2: Uuag1LuByRx9e6j5Onimru9pO4ZVKnJ2Qz7/C1NPcfTWAtRPfTaOFg==\r\n"
            "x-amz-request-id: 656C76696E6727732\r\nDate: %s\r\nServer: AmazonS3\r\n",
            line, date);
}

static void answer_xml(struct conn *c, const char *line, const char *xml) {
    status(c, line);
    appendf(c, "Content-Type: application/xml\r\nContent-Length: %zu\r\n\r\n", strlen(xml));
    if (!c->head_only) append(c, xml, strlen(xml));
}

static void answer_error(struct conn *c, const char *line, const char *code) {
    char xml[256];
    snprintf(xml, sizeof xml, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>%s</Code><Message>%s</Message></Error>", code, line);
    answer_xml(c, line, xml);
}

/* 0: the whole object; 1: a satisfiable range; -1: not satisfiable. A header that is no single byte range is ignored. */
static int parse_range(const char *value, uint64_t size, uint64_t *start, uint64_t *stop) {
    *start = 0, *stop = size;
    if (!value || strncmp(value, "bytes=", 6) || strchr(value, ',')) return 0;
    char *end;
    value += 6;
    if (*value == '-') {
        uint64_t suffix = strtoull(value + 1, &end, 10);
        if (!suffix || !size) return -1;
        *start = suffix < size ? size - suffix : 0;
        return 1;
    }
    *start = strtoull(value, &end, 10);
    if (*end++ != '-') return 0;
    if (*start >= size) return -1;
    if (*end && *end != '\r') {
        uint64_t last = strtoull(end, NULL, 10);
        if (last < *start) return *start = 0, 0;
        if (last + 1 < size) *stop = last + 1;
    }
    return 1;
}

static bool same_etag(const char *value, const struct object *o) {
    return !strcmp(value, "*") || !strcmp(value, o->etag);
}

static void answer_object(struct conn *c, const struct request *r) {
    uint64_t start, stop;
    struct object *o = find_object(r->path);
    if (!o) return answer_error(c, "404 Not Found", "NoSuchKey");
    if (r->if_match && !same_etag(r->if_match, o)) return answer_error(c, "412 Precondition Failed", "PreconditionFailed");
    if (r->if_none_match && same_etag(r->if_none_match, o)) {
        status(c, "304 Not Modified");
        return appendf(c, "ETag: %s\r\n\r\n", o->etag);
    }
    int ranged = parse_range(r->range, o->size, &start, &stop);
    if (ranged < 0) return answer_error(c, "416 Requested Range Not Satisfiable", "InvalidRange");
    status(c, ranged ? "206 Partial Content" : "200 OK");
    appendf(c,
            "Last-Modified: " LAST_MODIFIED "\r\nETag: %s\r\nx-amz-server-side-encryption: AES256\r\nAccept-Ranges: bytes\r\n"
            "Content-Type: binary/octet-stream\r\nContent-Length: %llu\r\n",
            o->etag, (unsigned long long)(stop - start));
    if (r->azure) appendf(c, "x-ms-blob-type: BlockBlob\r\nx-ms-version: 2024-11-04\r\nx-ms-lease-status: unlocked\r\n");
    if (r->oss)
        appendf(c, "x-oss-object-type: Normal\r\nx-oss-storage-class: Standard\r\nx-oss-hash-crc64ecma: %llu\r\n",
                (unsigned long long)o->crc64ecma);
    if (r->google || r->google_xml)
        appendf(c, "x-goog-generation: " GENERATION "\r\nx-goog-metageneration: 1\r\nx-goog-stored-content-encoding: identity\r\n"
                   "x-goog-stored-content-length: %llu\r\nx-goog-hash: crc32c=%s\r\nx-goog-hash: md5=%s\r\n"
                   "x-goog-storage-class: STANDARD\r\n", (unsigned long long)o->size, o->crc32c, o->md5);
    if (ranged)
        appendf(c, "Content-Range: bytes %llu-%llu/%llu\r\n", (unsigned long long)start, (unsigned long long)stop - 1,
                (unsigned long long)o->size);
    else if (r->checksum_mode)
        appendf(c, "x-amz-checksum-crc64nvme: %s\r\nx-amz-checksum-type: FULL_OBJECT\r\n", o->crc64);
    append(c, "\r\n", 2);
    if (c->head_only) return;
    if (stop - start <= INLINE_MAX && start % content_size + (stop - start) <= content_size) {
        append(c, content + start % content_size, stop - start);
    } else {
        c->content_at = start;
        c->content_left = stop - start;
    }
}

static void percent_decode(char *s) {
    char *to = s;
    for (; *s; s++) {
        unsigned byte;
        if (*s == '%' && sscanf(s + 1, "%2x", &byte) == 1) *to++ = (char)byte, s += 2;
        else *to++ = *s == '+' ? ' ' : *s;
    }
    *to = 0;
}

static bool query_value(const char *query, const char *name, char *into, size_t cap) {
    size_t n = strlen(name);
    for (const char *p = query; p; p = strchr(p, '&') ? strchr(p, '&') + 1 : NULL) {
        if (strncmp(p, name, n) || (p[n] != '=' && p[n] != '&' && p[n])) continue;
        const char *value = p[n] == '=' ? p + n + 1 : "";
        size_t len = strcspn(value, "&");
        if (len >= cap) len = cap - 1;
        memcpy(into, value, len);
        into[len] = 0;
        percent_decode(into);
        return true;
    }
    return false;
}

static void answer_list(struct conn *c, const struct request *r) {
    char prefix[256] = "", value[1200];
    unsigned long count = 0, at = 0, limit = 1000;
    uint64_t size = 1024;
    int consumed = 0;
    query_value(r->query, "prefix", prefix, sizeof prefix);
    if ((sscanf(prefix, "list/%lu%n", &count, &consumed) == 1 || sscanf(prefix, "tree/%lu/%lu%n", &count, &size, &consumed) == 2) &&
        prefix[consumed] != '/')
        count = 0;
    prefix[count ? consumed : 0] = 0;
    if (query_value(r->query, "max-keys", value, sizeof value)) limit = strtoul(value, NULL, 10);
    if (limit > 1000) limit = 1000;
    if (query_value(r->query, "continuation-token", value, sizeof value)) at = strtoul(value, NULL, 10);
    else if (query_value(r->query, "start-after", value, sizeof value) && strrchr(value, '/'))
        at = strtoul(strrchr(value, '/') + 1, NULL, 10) + 1;
    struct object *tree = NULL; /* whose objects can be read, and have the ETag that is listed */
    for (int i = 0; !strncmp(prefix, "tree/", 5) && i < object_count; i++)
        if (objects[i].size == size) tree = &objects[i];
    unsigned long end = at + limit < count ? at + limit : count;
    if (at > end) at = end;

    static struct conn body; /* only its output buffer is used */
    body.out_len = 0;
    appendf(&body,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult%s>"
            "<Name>bench</Name><Prefix>%s%s</Prefix><KeyCount>%lu</KeyCount><MaxKeys>%lu</MaxKeys><IsTruncated>%s</IsTruncated>",
            r->oss ? "" : " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"", prefix, count ? "/" : "", end - at, limit,
            end < count ? "true" : "false");
    if (query_value(r->query, "encoding-type", value, sizeof value)) appendf(&body, "<EncodingType>url</EncodingType>");
    if (end < count) appendf(&body, "<NextContinuationToken>%lu</NextContinuationToken>", end);
    char item[512];
    int length = snprintf(item, sizeof item,
                          "<Contents><Key>%s/00000000</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
                          "<ETag>&quot;%.32s&quot;</ETag>%s"
                          "<Size>%lu</Size><StorageClass>STANDARD</StorageClass></Contents>",
                          prefix, tree ? tree->etag + 1 : "0cc175b9c0f1b6a831c399e200000000",
                          r->oss ? "<Type>Normal</Type>"
                                 : "<ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType>",
                          size);
    char *key = strstr(item, "/00000000</Key>"), *etag = tree ? key + 1 : strstr(item, "00000000&quot;");
    for (; at < end; at++) {
        unsigned long digits = at;
        for (int i = 7; i >= 0; i--, digits /= 10) key[1 + i] = etag[i] = (char)('0' + digits % 10);
        append(&body, item, (size_t)length);
    }
    appendf(&body, "</ListBucketResult>");
    status(c, "200 OK");
    appendf(c, "x-amz-bucket-region: us-east-1\r\nContent-Type: application/xml\r\nContent-Length: %zu\r\n\r\n", body.out_len);
    append(c, body.out, body.out_len);
}

static void answer_stats(struct conn *c) {
    struct rusage usage;
    char json[1024];
    getrusage(RUSAGE_SELF, &usage);
    snprintf(json, sizeof json,
             "{\"requests\":%llu,\"bytes_in\":%llu,\"bytes_out\":%llu,\"signed\":%llu,\"unsigned\":%llu,\"streaming\":%llu,"
             "\"anonymous\":%llu,\"checksums\":%llu,\"refused\":%llu,\"connections\":%d,\"cpu\":%.6f,\"cipher\":\"%s\"}",
             (unsigned long long)stats.requests, (unsigned long long)stats.bytes_in, (unsigned long long)stats.bytes_out,
             (unsigned long long)stats.signed_, (unsigned long long)stats.unsigned_, (unsigned long long)stats.streaming,
             (unsigned long long)stats.anonymous, (unsigned long long)stats.checksums, (unsigned long long)stats.refused, conn_count,
             (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) + (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6,
             cipher);
    answer_xml(c, "200 OK", json);
}

static void answer_put(struct conn *c, const struct request *r) {
    static unsigned long long counter;
    const char *kind = r->payload;
    if (!kind) stats.anonymous++;
    else if (!strncmp(kind, "STREAMING-", 10)) stats.streaming++;
    else if (!strcmp(kind, "UNSIGNED-PAYLOAD")) stats.unsigned_++;
    else stats.signed_++;
    if (r->echo_len || (kind && strstr(kind, "-TRAILER"))) stats.checksums++;
    status(c, "200 OK");
    appendf(c, "ETag: \"%032llx\"\r\nx-amz-server-side-encryption: AES256\r\n", ++counter);
    append(c, r->echo, r->echo_len);
    appendf(c, "Content-Length: 0\r\n\r\n");
}

static void answer_post(struct conn *c, const struct request *r) {
    char value[1200];
    static unsigned long uploads;
    if (query_value(r->query, "uploads", value, sizeof value)) {
        snprintf(value, sizeof value,
                 "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<InitiateMultipartUploadResult><Bucket>bench</Bucket><Key>key</Key>"
                 "<UploadId>upload-%lu</UploadId></InitiateMultipartUploadResult>",
                 ++uploads);
        answer_xml(c, "200 OK", value);
    } else if (query_value(r->query, "uploadId", value, sizeof value)) {
        answer_xml(c, "200 OK",
                   "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<CompleteMultipartUploadResult><Location>http://s3/bench/key</Location>"
                   "<Bucket>bench</Bucket><Key>key</Key><ETag>&quot;3858f62230ac3c915f300c664312c11f-32&quot;</ETag>"
                   "</CompleteMultipartUploadResult>");
    } else {
        answer_error(c, "501 Not Implemented", "NotImplemented");
    }
}

/* ---- Azure's Blob service ---- */

static void answer_azure_list(struct conn *c, const struct request *r) {
    char prefix[256] = "", value[1200];
    unsigned long count = 0, at = 0, limit = 5000;
    int consumed = 0;
    query_value(r->query, "prefix", prefix, sizeof prefix);
    if (sscanf(prefix, "list/%lu%n", &count, &consumed) == 1 && prefix[consumed] != '/') count = 0;
    prefix[count ? consumed : 0] = 0;
    if (query_value(r->query, "maxresults", value, sizeof value)) limit = strtoul(value, NULL, 10);
    if (query_value(r->query, "marker", value, sizeof value)) at = strtoul(value, NULL, 10);
    unsigned long end = at + limit < count ? at + limit : count;

    static struct conn body; /* only its output buffer is used */
    body.out_len = 0;
    appendf(&body, "<?xml version=\"1.0\" encoding=\"utf-8\"?><EnumerationResults ServiceEndpoint=\"http://127.0.0.1\" "
                   "ContainerName=\"bench\"><Prefix>%s%s</Prefix><Blobs>", prefix, count ? "/" : "");
    for (; at < end; at++)
        appendf(&body,
                "<Blob><Name>%s/%08lu</Name><Properties><Creation-Time>" LAST_MODIFIED "</Creation-Time><Last-Modified>" LAST_MODIFIED
                "</Last-Modified><Etag>0x8DE0000%08lu</Etag><Content-Length>1024</Content-Length><Content-Type>application/octet-stream"
                "</Content-Type><Content-Encoding /><Content-Language /><Content-CRC64 /><Content-MD5>AAAAAAAAAAAAAAAAAAAAAA==</Content-MD5>"
                "<Cache-Control /><Content-Disposition /><BlobType>BlockBlob</BlobType><AccessTier>Hot</AccessTier><AccessTierInferred>true"
                "</AccessTierInferred><LeaseStatus>unlocked</LeaseStatus><LeaseState>available</LeaseState><ServerEncrypted>true"
                "</ServerEncrypted></Properties><OrMetadata /></Blob>",
                prefix, at, at);
    appendf(&body, "</Blobs><NextMarker>");
    if (end < count) appendf(&body, "%lu", end);
    appendf(&body, "</NextMarker></EnumerationResults>");
    status(c, "200 OK");
    appendf(c, "Content-Type: application/xml\r\nContent-Length: %zu\r\n\r\n", body.out_len);
    append(c, body.out, body.out_len);
}

static void answer_azure(struct conn *c, const struct request *r) {
    static unsigned long long counter;
    if (strstr(r->query, "comp=list")) return answer_azure_list(c, r);
    if (!strcmp(r->method, "GET") || c->head_only) return answer_object(c, r);
    bool put = !strcmp(r->method, "PUT");
    status(c, put ? "201 Created" : "202 Accepted");
    appendf(c, "Last-Modified: " LAST_MODIFIED "\r\nETag: \"0x%016llX\"\r\nx-ms-version: 2024-11-04\r\n"
               "x-ms-request-server-encrypted: true\r\nContent-Length: 0\r\n\r\n", ++counter);
}

/* ---- OpenStack Swift ---- */

static void answer_swift_list(struct conn *c, const struct request *r) {
    char prefix[256] = "", value[1200];
    unsigned long count = 0, at = 0, limit = 10000;
    int consumed = 0;
    query_value(r->query, "prefix", prefix, sizeof prefix);
    if (sscanf(prefix, "list/%lu%n", &count, &consumed) == 1 && prefix[consumed] != '/') count = 0;
    prefix[count ? consumed : 0] = 0;
    if (query_value(r->query, "limit", value, sizeof value)) limit = strtoul(value, NULL, 10);
    if (query_value(r->query, "marker", value, sizeof value) && strrchr(value, '/'))
        at = strtoul(strrchr(value, '/') + 1, NULL, 10) + 1;
    unsigned long end = at + limit < count ? at + limit : count, first = at;

    static struct conn body; /* only its output buffer is used */
    body.out_len = 0;
    append(&body, "[", 1);
    for (; at < end; at++)
        appendf(&body,
                "%s{\"bytes\": 1024, \"hash\": \"0cc175b9c0f1b6a831c399e2%08lu\", \"name\": \"%s/%08lu\", \"content_type\": "
                "\"application/octet-stream\", \"last_modified\": \"2026-01-01T00:00:00.000000\"}",
                at == first ? "" : ", ", at, prefix, at);
    append(&body, "]", 1);
    status(c, "200 OK");
    appendf(c, "Content-Type: application/json; charset=utf-8\r\nContent-Length: %zu\r\n\r\n", body.out_len);
    append(c, body.out, body.out_len);
}

static void answer_swift(struct conn *c, const struct request *r, bool in_container) {
    static unsigned long long counter;
    if (in_container && c->head_only) {
        status(c, "204 No Content");
        return append(c, "\r\n", 2);
    }
    if (in_container && !strcmp(r->method, "GET")) return answer_swift_list(c, r);
    if (!strcmp(r->method, "GET") || c->head_only) return answer_object(c, r);
    status(c, !strcmp(r->method, "PUT") ? "201 Created" : "204 No Content");
    appendf(c, "Last-Modified: " LAST_MODIFIED "\r\nETag: %032llx\r\nContent-Length: 0\r\n\r\n", ++counter);
}

/* ---- Google Cloud Storage ---- */

static bool shown(const char *fields, const char *name) {
    size_t n = strlen(name);
    if (!*fields) return true;
    for (const char *p = fields; (p = strstr(p, name)); p += n)
        if ((p == fields || strchr("(,", p[-1])) && strchr("),", p[n])) return true;
    return false;
}

/* The resource of an object, or of it what is asked for; in a listing its number stands where there are eight @. */
static void append_resource(struct conn *body, const char *fields, const char *name, uint64_t size, const char *md5, const char *crc32c) {
    char quantity[24];
    snprintf(quantity, sizeof quantity, "%llu", (unsigned long long)size);
    static const char place[] = "https://www.googleapis.com/storage/v1/b/" GOOGLE_BUCKET "/o/", moment[] = "2026-01-01T00:00:00.000Z";
    const char *pairs[][4] = {
        {"kind", "storage#object"}, {"id", GOOGLE_BUCKET "/", name, "/" GENERATION}, {"selfLink", place, name},
        {"mediaLink", "https://storage.googleapis.com/download/storage/v1/b/" GOOGLE_BUCKET "/o/", name, "?generation=" GENERATION "&alt=media"},
        {"name", name}, {"bucket", GOOGLE_BUCKET}, {"generation", GENERATION}, {"metageneration", "1"},
        {"contentType", "application/octet-stream"}, {"storageClass", "STANDARD"}, {"size", quantity}, {"md5Hash", md5},
        {"crc32c", crc32c}, {"etag", "CICA7vn/9o0DEAE="}, {"timeCreated", moment}, {"updated", moment},
        {"timeStorageClassUpdated", moment}, {"timeFinalized", moment},
    };
    bool first = true;
    append(body, "{", 1);
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        if (!pairs[i][1] || !shown(fields, pairs[i][0])) continue;
        appendf(body, "%s\"%s\":\"%s%s%s\"", first ? "" : ",", pairs[i][0], pairs[i][1], pairs[i][2] ? pairs[i][2] : "",
                pairs[i][2] && pairs[i][3] ? pairs[i][3] : "");
        first = false;
    }
    append(body, "}", 1);
}

static void answer_json(struct conn *c, const char *line, const char *json, size_t n) {
    status(c, line);
    appendf(c, "Content-Type: application/json; charset=UTF-8\r\nContent-Length: %zu\r\n\r\n", n);
    append(c, json, n);
}

static void answer_google_list(struct conn *c, const struct request *r, const char *fields) {
    char prefix[256] = "", value[1200], name[300];
    unsigned long count = 0, at = 0, limit = 1000;
    int consumed = 0;
    query_value(r->query, "prefix", prefix, sizeof prefix);
    if (sscanf(prefix, "list/%lu%n", &count, &consumed) == 1 && prefix[consumed] != '/') count = 0;
    prefix[count ? consumed : 0] = 0;
    if (query_value(r->query, "maxResults", value, sizeof value)) limit = strtoul(value, NULL, 10);
    if (limit > 1000) limit = 1000;
    if (query_value(r->query, "pageToken", value, sizeof value)) at = strtoul(value, NULL, 10);
    unsigned long end = at + limit < count ? at + limit : count;

    static struct conn body, item; /* only their output buffers are used */
    body.out_len = item.out_len = 0;
    snprintf(name, sizeof name, "%s/@@@@@@@@", prefix);
    append_resource(&item, fields, name, 1024, "CyRuXyGuHGuZ1yKXKeMvNQ==", "yZRlqg==");
    append(&item, ",", 2); /* and its end, for strstr() */
    char *numbers[8];
    int found = 0;
    for (char *p = item.out; found < 8 && (p = strstr(p, "@@@@@@@@")); p += 8) numbers[found++] = p;
    append(&body, "{", 1);
    if (!*fields) appendf(&body, "\"kind\":\"storage#objects\",");
    if (end < count) appendf(&body, "\"nextPageToken\":\"%lu\",", end);
    appendf(&body, "\"items\":[");
    for (; at < end; at++) {
        for (int k = 0; k < found; k++) {
            unsigned long digits = at;
            for (int i = 7; i >= 0; i--, digits /= 10) numbers[k][i] = (char)('0' + digits % 10);
        }
        append(&body, item.out, item.out_len - 1);
    }
    if (body.out[body.out_len - 1] == ',') body.out_len--;
    append(&body, "]}", 2);
    answer_json(c, "200 OK", body.out, body.out_len);
}

static void answer_google(struct conn *c, const struct request *r) {
    static const char token[] = "{\"access_token\":\"ya29.benchmark\",\"expires_in\":3600,\"token_type\":\"Bearer\"}";
    static const char missing[] = "{\"error\":{\"code\":404,\"message\":\"No such object\",\"errors\":[{\"reason\":\"notFound\"}]}}";
    static struct conn body; /* only its output buffer is used */
    char fields[1200] = "", value[1200];
    query_value(r->query, "fields", fields, sizeof fields);
    bool get = !strcmp(r->method, "GET"), listing = !strcmp(r->path, "/o") || !strcmp(r->path, "/o/");
    body.out_len = 0;
    if (!strcmp(r->path, "/token")) {
        answer_json(c, "200 OK", token, sizeof token - 1);
    } else if (r->upload) {
        unsigned long long last, total;
        if (query_value(r->query, "uploadType", value, sizeof value) && !strcmp(value, "resumable") &&
            !query_value(r->query, "upload_id", value, sizeof value)) {
            status(c, "200 OK");
            appendf(c, "Location: http://%s/upload/storage/v1/b/" GOOGLE_BUCKET "/o?uploadType=resumable&upload_id=1\r\n"
                       "X-GUploader-UploadID: 1\r\nContent-Length: 0\r\n\r\n", r->host ? r->host : "127.0.0.1");
        } else if (r->content_range && sscanf(r->content_range, "bytes %*u-%llu/%llu", &last, &total) == 2 && last + 1 < total) {
            status(c, "308 Resume Incomplete");
            appendf(c, "Range: bytes=0-%llu\r\nContent-Length: 0\r\n\r\n", last);
        } else {
            append_resource(&body, fields, "key", r->length, NULL, NULL);
            answer_json(c, "200 OK", body.out, body.out_len);
        }
    } else if (get && listing) {
        answer_google_list(c, r, fields);
    } else if (get && query_value(r->query, "alt", value, sizeof value) && !strcmp(value, "media")) {
        answer_object(c, r);
    } else if (get) {
        struct object *o = find_object(r->path);
        if (!o) return answer_json(c, "404 Not Found", missing, sizeof missing - 1);
        append_resource(&body, fields, r->path + 3, o->size, o->md5, o->crc32c);
        answer_json(c, "200 OK", body.out, body.out_len);
    } else {
        answer_error(c, "501 Not Implemented", "NotImplemented");
    }
}

static void answer(struct conn *c, const struct request *r) {
    bool get = !strcmp(r->method, "GET"), in_bucket = false;
    const char *key = strchr(r->path + 1, '/');
    in_bucket = !key || !key[1];
    c->head_only = !strcmp(r->method, "HEAD");
    if (get && !strcmp(r->path, "/_stats")) {
        answer_stats(c);
    } else if (busy_above && in_flight > busy_above) {
        stats.refused++;
        answer_error(c, "503 Slow Down", "SlowDown");
    } else if (r->azure) {
        answer_azure(c, r);
    } else if (r->google) {
        answer_google(c, r);
    } else if (r->swift) {
        answer_swift(c, r, in_bucket);
    } else if (in_bucket && get && strstr(r->query, "list-type=2")) {
        answer_list(c, r);
    } else if (in_bucket && get && strstr(r->query, "location")) {
        answer_xml(c, "200 OK", "<LocationConstraint xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"></LocationConstraint>");
    } else if (in_bucket) {
        answer_xml(c, c->head_only ? "200 OK" : "501 Not Implemented", "");
    } else if (get || c->head_only) {
        answer_object(c, r);
    } else if (!strcmp(r->method, "PUT")) {
        answer_put(c, r);
    } else if (!strcmp(r->method, "POST")) {
        answer_post(c, r);
    } else if (!strcmp(r->method, "DELETE")) {
        status(c, "204 No Content");
        append(c, "\r\n", 2);
    } else {
        answer_error(c, "405 Method Not Allowed", "MethodNotAllowed");
    }
}

/* ---- requests ---- */

static bool header(char *line, const char *name, char **value) {
    size_t n = strlen(name);
    if (strncasecmp(line, name, n)) return false;
    *value = line + n + strspn(line + n, " ");
    return true;
}

/* Splits the header block in place; false if it is no HTTP. */
static bool parse(char *block, struct request *r) {
    char *value, *line = strstr(block, "\r\n");
    memset(r, 0, offsetof(struct request, echo));
    r->echo_len = 0;
    if (!line) return false;
    *line = 0;
    r->method = block;
    if (!(r->path = strchr(block, ' '))) return false;
    *r->path++ = 0;
    if (*r->path != '/' || !(value = strchr(r->path, ' '))) return false;
    *value = 0;
    if ((r->query = strchr(r->path, '?'))) *r->query++ = 0;
    else r->query = "";
    if ((r->swift = !strncmp(r->path, SWIFT_ACCOUNT "/", sizeof SWIFT_ACCOUNT))) r->path += sizeof SWIFT_ACCOUNT - 1;
    if (strchr(r->path, '%')) percent_decode(r->path);
    static const char *const google[] = {"/storage/v1/b/", "/download/storage/v1/b/", "/upload/storage/v1/b/"};
    for (size_t i = 0; i < sizeof google / sizeof *google; i++)
        if (!strncmp(r->path, google[i], strlen(google[i]))) {
            r->google = true;
            r->upload = i == 2;
            if ((value = strchr(r->path + strlen(google[i]), '/'))) r->path = value;
            break;
        }
    if (!strcmp(r->path, "/token")) r->google = true;
    r->google_xml = !strncmp(r->path, "/" GOOGLE_BUCKET, sizeof GOOGLE_BUCKET);
    if ((r->azure = !strncmp(r->path, AZURE_ACCOUNT "/", sizeof AZURE_ACCOUNT))) r->path += sizeof AZURE_ACCOUNT - 1;
    for (char *at = r->path; (at = strstr(at, "%2F")); at++) memmove(at + 1, at + 3, strlen(at + 3) + 1), *at = '/';
    for (line += 2; *line; line = value + 2) {
        char *end = strstr(line, "\r\n");
        if (!end) break;
        *end = 0;
        switch (*line | 0x20) {
        case 'a':
            if (header(line, "authorization:", &value)) r->oss = !strncmp(value, "OSS", 3);
            break;
        case 'c':
            if (header(line, "content-length:", &value)) r->length = strtoull(value, NULL, 10);
            else if (header(line, "content-range:", &value)) r->content_range = value;
            else if (header(line, "connection:", &value)) r->close = !strcasecmp(value, "close");
            break;
        case 'e':
            if (header(line, "expect:", &value)) r->expects = true;
            break;
        case 'h':
            if (header(line, "host:", &value)) r->host = value;
            break;
        case 'i':
            if (header(line, "if-match:", &value)) r->if_match = value;
            else if (header(line, "if-none-match:", &value)) r->if_none_match = value;
            break;
        case 'r':
            if (header(line, "range:", &value)) r->range = value;
            break;
        case 't':
            if (header(line, "transfer-encoding:", &value)) r->chunked = true;
            break;
        case 'x':
            if (header(line, "x-amz-content-sha256:", &value)) r->payload = value;
            else if (header(line, "x-ms-range:", &value)) r->range = value;
            else if (header(line, "x-amz-checksum-mode:", &value)) r->checksum_mode = true;
            else if (header(line, "x-amz-checksum-", &value) && strncasecmp(value, "algorithm", 9) && strncasecmp(value, "type", 4) &&
                     r->echo_len + (size_t)(end - line) + 2 < sizeof r->echo)
                r->echo_len += (size_t)snprintf(r->echo + r->echo_len, sizeof r->echo - r->echo_len, "%s\r\n", line);
            break;
        }
        value = end;
    }
    return true;
}

/* ---- connections ---- */

static void later(struct conn *c, int64_t when) {
    c->wake_at = when;
    if (c->pending) return;
    c->pending = true;
    pending[pending_count++] = c;
}

static void drop(struct conn *c) {
    if (c->state != HEAD) in_flight--;
    if (c->pending)
        for (int i = 0; i < pending_count; i++)
            if (pending[i] == c) {
                pending[i] = pending[--pending_count];
                break;
            }
    wire_close(&c->wire);
    free(c->out);
    free(c);
    conn_count--;
}

static void restart_credit(struct conn *c) {
    c->credit = FIRST_BURST;
    c->credit_at = now;
}

/* Bytes the emulated link lets through now; 0 after having arranged to be called again. */
static size_t admitted(struct conn *c, uint64_t wanted) {
    size_t most = wanted < QUANTUM ? (size_t)wanted : QUANTUM;
    if (!rate) return most;
    c->credit += (int64_t)((double)(now - c->credit_at) * (double)rate / 1e9);
    c->credit_at = now;
    int64_t cap = (int64_t)((double)rate * BURST_NS / 1e9);
    if (c->credit > cap) c->credit = cap;
    if (c->credit <= 0 || (c->credit < FIRST_BURST && (uint64_t)c->credit < wanted)) {
        later(c, now + PACE_NS);
        return 0;
    }
    return (uint64_t)c->credit < most ? (size_t)c->credit : most;
}

static void spend(struct conn *c, size_t n) {
    if (rate) c->credit -= (int64_t)n;
}

static ssize_t fill(struct conn *c) {
    memmove(c->in, c->in + c->in_off, c->in_len - c->in_off);
    c->in_len -= c->in_off;
    c->in_off = 0;
    size_t room = HEAD_MAX - 1 - c->in_len;
    ssize_t n = room ? wire_read(&c->wire, c->in + c->in_len, room) : BROKEN;
    if (n > 0) {
        c->drained = !c->wire.ssl && (size_t)n < room;
        c->in_len += (size_t)n;
    }
    return n;
}

/* Reads the line before a chunk, or the trailers, of a chunked body: 1, or what fill() said. */
static ssize_t next_chunk(struct conn *c) {
    char *line = c->in + c->in_off, *end = c->in_len > c->in_off ? memmem(line, c->in_len - c->in_off, "\r\n", 2) : NULL;
    if (!end) {
        ssize_t n = fill(c);
        return n > 0 ? 1 : n ? n : BROKEN;
    }
    c->in_off = (size_t)(end + 2 - c->in);
    if (c->framing == TRAILER) {
        if (end == line) c->framing = SIZED;
    } else {
        uint64_t size = strtoull(line, NULL, 16);
        if (size) c->body_left = size + 2;
        else c->framing = TRAILER;
    }
    return 1;
}

/* One step; true: go on, false: wait for an event (or for the queue). *gone is set when the connection was closed. */
static bool step(struct conn *c, size_t *moved, bool *gone) {
    ssize_t n;
    switch (c->state) {
    case HEAD: {
        char *end = c->in_len > c->in_off ? memmem(c->in + c->in_off, c->in_len - c->in_off, "\r\n\r\n", 4) : NULL;
        if (!end) {
            if (c->drained && !c->hangup) return false;
            n = fill(c);
            if (n == AGAIN) return false;
            if (n <= 0) return *gone = true, drop(c), false;
            return true;
        }
        struct request r;
        char *block = c->in + c->in_off;
        end[2] = 0;
        c->in_off = (size_t)(end + 4 - c->in);
        c->out_len = c->out_off = 0;
        if (!parse(block, &r)) return *gone = true, drop(c), false;
        in_flight++;
        stats.requests++;
        c->closing = r.close;
        c->body_left = r.chunked ? 0 : r.length;
        c->framing = r.chunked ? CHUNK : SIZED;
        answer(c, &r);
        if (r.expects && (c->body_left || r.chunked) && c->in_off == c->in_len) wire_write(&c->wire, "HTTP/1.1 100 Continue\r\n\r\n", 25, false);
        restart_credit(c);
        c->state = BODY;
        return true;
    }
    case BODY:
        if (!c->body_left && c->framing != SIZED) {
            n = next_chunk(c);
            if (n == AGAIN) return false;
            if (n < 0) return *gone = true, drop(c), false;
            return true;
        }
        if (!c->body_left) {
            c->state = DELAY;
            c->wake_at = delay_ns ? monotonic_ns() + delay_ns : 0;
            if (delay_ns) later(c, c->wake_at);
            return true;
        }
        if (c->in_len > c->in_off) {
            size_t have = c->in_len - c->in_off;
            n = (ssize_t)(have < c->body_left ? have : c->body_left);
            c->in_off += (size_t)n;
        } else {
            size_t most = admitted(c, c->body_left);
            if (!most) return false;
            n = wire_discard(&c->wire, most);
            if (n == AGAIN) return false;
            if (n <= 0) return *gone = true, drop(c), false;
            c->drained = false;
        }
        c->body_left -= (uint64_t)n;
        stats.bytes_in += (uint64_t)n;
        *moved += (size_t)n;
        spend(c, (size_t)n);
        return true;
    case DELAY:
        if (now < c->wake_at) return later(c, c->wake_at), false;
        restart_credit(c);
        c->state = ANSWER;
        return true;
    case ANSWER:
        if (c->out_off < c->out_len) {
            n = wire_write(&c->wire, c->out + c->out_off, c->out_len - c->out_off, c->content_left > 0);
            if (n == AGAIN) return false;
            if (n <= 0) return *gone = true, drop(c), false;
            c->out_off += (size_t)n;
        } else if (c->content_left) {
            size_t most = admitted(c, c->content_left);
            if (!most) return false;
            uint64_t at = c->content_at % content_size;
            if (most > content_size - at) most = content_size - at;
            n = wire_write(&c->wire, content + at, most, false);
            if (n == AGAIN) return false;
            if (n <= 0) return *gone = true, drop(c), false;
            c->content_at += (uint64_t)n;
            c->content_left -= (uint64_t)n;
            spend(c, (size_t)n);
        } else {
            in_flight--;
            c->state = HEAD;
            if (c->closing) return *gone = true, drop(c), false;
            return true;
        }
        stats.bytes_out += (uint64_t)n;
        *moved += (size_t)n;
        return true;
    }
    return false;
}

static void serve(struct conn *c) {
    size_t moved = 0;
    bool gone = false;
    while (step(c, &moved, &gone))
        if (moved >= QUANTUM) {
            later(c, now);
            return;
        }
    (void)gone;
}

static void accept_all(int listener, bool encrypted) {
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), on = 1, window = 1 << 19;
        if (fd < 0) return;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (rate) { /* what is on its way is bounded, as on a link; a large socket buffer would hide the rate */
            setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &window, sizeof window);
            setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &window, sizeof window);
        }
        struct conn *c = calloc(1, sizeof *c);
        if (!c) die("calloc");
        c->wire.fd = fd;
        conn_count++;
#ifdef WITH_TLS
        if (encrypted) {
            c->wire.ssl = SSL_new(tls);
            SSL_set_fd(c->wire.ssl, fd);
            SSL_set_accept_state(c->wire.ssl);
        }
#else
        (void)encrypted;
#endif
        struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = c};
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
    }
}

static int listen_on(const char *address, int *port) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)*port)};
    socklen_t n = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
    inet_pton(AF_INET, address, &a.sin_addr);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) || listen(fd, 1024)) die("listen");
    getsockname(fd, (struct sockaddr *)&a, &n);
    *port = ntohs(a.sin_port);
    return fd;
}

#ifdef WITH_TLS
static void remember_cipher(const SSL *ssl, int where, int ret) {
    (void)ret;
    if (where & SSL_CB_HANDSHAKE_DONE) snprintf(cipher, sizeof cipher, "%s %s", SSL_get_version(ssl), SSL_get_cipher_name(ssl));
}
#endif

static void tls_init(const char *certificate, const char *key) {
#ifdef WITH_TLS
    tls = SSL_CTX_new(TLS_server_method());
    SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_options(tls, SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_read_ahead(tls, 1);
    SSL_CTX_set_default_read_buffer_len(tls, 1 << 17);
    SSL_CTX_set_info_callback(tls, remember_cipher);
    if (SSL_CTX_use_certificate_chain_file(tls, certificate) != 1 || SSL_CTX_use_PrivateKey_file(tls, key, SSL_FILETYPE_PEM) != 1) {
        ERR_print_errors_fp(stderr);
        exit(1);
    }
#else
    (void)certificate, (void)key;
    fprintf(stderr, "built without TLS\n");
    exit(1);
#endif
}

int main(int argc, char **argv) {
    const char *certificate = NULL, *key = NULL, *address = "127.0.0.1";
    int http_port = 0, https_port = 0;
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    prctl(PR_SET_TIMERSLACK, 50000UL);
    for (int i = 1; i + 1 < argc; i += 2) {
        const char *option = argv[i], *value = argv[i + 1];
        struct stat info;
        if (!strcmp(option, "--content-fd")) {
            int content_fd = atoi(value);
            if (fstat(content_fd, &info)) die("content");
            content_size = (uint64_t)info.st_size;
            content = mmap(NULL, content_size, PROT_READ, MAP_SHARED | MAP_POPULATE, content_fd, 0);
            if (content == MAP_FAILED) die("mmap");
        } else if (!strcmp(option, "--object")) declare_object(value);
        else if (!strcmp(option, "--certificate")) certificate = value;
        else if (!strcmp(option, "--key")) key = value;
        else if (!strcmp(option, "--delay-us")) delay_ns = atoll(value) * 1000;
        else if (!strcmp(option, "--rate")) rate = strtoull(value, NULL, 10);
        else if (!strcmp(option, "--busy-above")) busy_above = strtoull(value, NULL, 10);
        else return fprintf(stderr, "unknown option %s\n", option), 2;
    }
    if (!content) return fprintf(stderr, "--content-fd comes first and is needed\n"), 2;
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    int http = listen_on(address, &http_port), https = -1;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &http};
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, http, &event);
    if (certificate) {
        tls_init(certificate, key);
        https = listen_on(address, &https_port);
        event.data.ptr = &https;
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, https, &event);
    }
    printf("{\"http\":%d,\"https\":%d}\n", http_port, https_port);
    fflush(stdout);

    for (time_t second = 0;;) {
        struct epoll_event events[256];
        int64_t wait = -1;
        for (int i = 0; i < pending_count; i++) {
            int64_t left = pending[i]->wake_at > now ? pending[i]->wake_at - now : 0;
            if (wait < 0 || left < wait) wait = left;
        }
        struct timespec timeout = {wait / 1000000000, wait % 1000000000};
        int n = epoll_pwait2(epoll_fd, events, 256, wait < 0 ? NULL : &timeout, NULL);
        now = monotonic_ns();
        struct timespec wall;
        clock_gettime(CLOCK_REALTIME_COARSE, &wall);
        if (wall.tv_sec != second) {
            struct tm parts;
            second = wall.tv_sec;
            strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&second, &parts));
        }
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr == &http) accept_all(http, false);
            else if (events[i].data.ptr == &https) accept_all(https, true);
            else {
                struct conn *c = events[i].data.ptr;
                if (events[i].events & EPOLLIN) c->drained = false;
                if (events[i].events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) c->hangup = true;
                serve(c);
            }
        }
        struct conn *due[4096];
        int due_count = 0;
        for (int i = 0; i < pending_count && due_count < 4096;)
            if (pending[i]->wake_at <= now) {
                due[due_count++] = pending[i];
                pending[i]->pending = false;
                pending[i] = pending[--pending_count];
            } else i++;
        for (int i = 0; i < due_count; i++) serve(due[i]);
    }
}
