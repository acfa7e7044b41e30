/* Requests read by Ballast and by http_parser: where both accept, method, target, version, fields, framing, the body
 * in chunks and every boundary agree; where one alone refuses, the difference stands in h1_diff.def with its reason.
 *
 * The input is what a client sends.
 */
#include "fuzz.h"

#include <stdio.h>

#include "base/err.h"
#include "h1_diff_table.h"
#include "http/h1_chunk.h"

/* So large that none is met: the limits are Ballast's own affair. Theirs is 80 KiB. */
enum { INPUT_MAX = 8192, HEAD_MAX = 16384 };

static const struct h1_limits limits = {.head_bytes = HEAD_MAX, .fields = THEIR_FIELDS, .target_bytes = HEAD_MAX};

struct our_request {
    int result; /* 1: a whole head; 0: more bytes needed; -ERR_x */
    size_t head_bytes;
    struct h1_head head;
    int body_result;
    size_t body_bytes;
    char *body;
    size_t body_n;
};

/* Chunks up to the last, then the trailer section: 1, 0 or -ERR_x. */
static int read_body(struct our_request *our, struct str input)
{
    static struct field trailers[THEIR_FIELDS];
    struct h1_chunk chunk;
    struct str data = STR_NONE;
    int event = H1_CHUNK_DATA;
    h1_chunk_init(&chunk);
    while (event == H1_CHUNK_DATA) {
        struct str rest = str_slice(input.p + our->body_bytes, input.n - our->body_bytes);
        size_t used = 0;
        event = h1_chunk_step(&chunk, rest, &used, &data);
        our->body_bytes += used;
        if (event == H1_CHUNK_DATA) {
            memcpy(our->body + our->body_n, data.p, data.n);
            our->body_n += data.n;
        }
    }
    if (event != H1_CHUNK_LAST)
        return event < 0 ? event : 0;
    struct h1_scan scan = {.trailers = true};
    struct str rest = str_slice(input.p + our->body_bytes, input.n - our->body_bytes);
    size_t bytes = 0;
    uint32_t count;
    int found = h1_scan(&scan, rest.p, rest.n, &limits, &bytes);
    our->body_bytes += bytes;
    if (found != 1)
        return found;
    int error = h1_parse_trailers(str_slice(rest.p, bytes), trailers, THEIR_FIELDS, &count);
    return error ? error : 1;
}

static void our_read(struct our_request *our, struct str input, char *body)
{
    static struct field fields[THEIR_FIELDS];
    struct h1_scan scan = {0};
    size_t skipped = 0, bytes = 0;
    *our = (struct our_request){.body = body};
    /* Empty lines in front are the session's to skip (RFC 9112 section 2.2). */
    while (input.n - skipped >= 2 && memcmp(input.p + skipped, "\r\n", 2) == 0)
        skipped += 2;
    our->result = h1_scan(&scan, input.p + skipped, input.n - skipped, &limits, &bytes);
    our->head_bytes = skipped + bytes;
    if (our->result != 1)
        return;
    int error = h1_parse_request(str_slice(input.p + skipped, bytes), &limits, fields, THEIR_FIELDS, &our->head);
    our->result = error ? error : 1;
    if (our->result == 1 && our->head.chunked)
        our->body_result = read_body(our, str_slice(input.p + our->head_bytes, input.n - our->head_bytes));
}

static void must_be_accepted(enum diff_side side, int code, const struct diff_case *seen)
{
    static const char *const sides[] = {"we refuse", "they refuse", "keep alive", "body: we refuse",
                                        "body: they refuse"};
    if (diff_is_accepted(side, code, seen))
        return;
    bool ours = side == DIFF_WE_REFUSE || side == DIFF_BODY_WE_REFUSE;
    const char *name = code == 0 ? "wait for more" : ours ? err_reason(code) : http_errno_name((enum http_errno)code);
    fprintf(stderr, "no accepted difference: %s, %s\n", sides[side], name);
    ASSERT(!"a difference that h1_diff.def does not accept");
}

/* ---- both accept ---- */

static void compare_line(const struct our_request *our, const struct their_request *their)
{
    const struct msg *msg = &our->head.msg;
    ASSERT(str_eq(msg->method_text, str_of(their->method)));
    ASSERT(their->major == 1 && msg->minor == (their->minor > 0));
    if (their->url.p[0] == '/' || their->url.p[0] == '*') {
        ASSERT(str_eq(msg->target, their->url));
        return;
    }
    /* Absolute form: the scheme, the host, and what is left of the target. */
    size_t host = str_find(their->url, ':') + 3;
    ASSERT(host < their->url.n);
    struct str rest = str_slice(their->url.p + host, their->url.n - host);
    ASSERT(str_starts(rest, msg->authority));
    rest = str_slice(rest.p + msg->authority.n, rest.n - msg->authority.n);
    if (rest.n > 0)
        ASSERT(str_eq(rest, msg->target));
    else
        ASSERT(str_eq(msg->target, STR("/")) || str_eq(msg->target, STR("*")));
}

static void compare_fields(const struct our_request *our, const struct their_request *their)
{
    const struct msg *msg = &our->head.msg;
    ASSERT(msg->count == their->count);
    for (uint32_t i = 0; i < msg->count; i++) {
        ASSERT(str_eq(msg->fields[i].name, their->fields[i].name));
        ASSERT(str_eq(msg->fields[i].value, str_trim(their->fields[i].value)));
    }
}

static void compare_framing(const struct our_request *our, const struct their_request *their)
{
    const struct h1_head *head = &our->head;
    ASSERT(head->chunked == their->chunked);
    ASSERT((head->msg.body == MSG_BODY_LENGTH) == their->has_length);
    ASSERT((head->msg.body == MSG_BODY_OPEN) == their->chunked);
    if (their->has_length)
        ASSERT(head->msg.length >= 0 && (uint64_t)head->msg.length == their->length);
}

static void compare_bodies(const struct our_request *our, const struct their_request *their,
                           const struct diff_case *seen)
{
    if (our->body_result == 1 && their->body_result == 1) {
        ASSERT(our->body_bytes == their->body_bytes);
        ASSERT(our->body_n == their->body_n && memcmp(our->body, their->body, our->body_n) == 0);
    } else if (our->body_result == 1) {
        must_be_accepted(DIFF_BODY_THEY_REFUSE, -their->body_result, seen);
    } else if (their->body_result == 1) {
        must_be_accepted(DIFF_BODY_WE_REFUSE, -our->body_result, seen);
    }
}

static void compare(const struct our_request *our, const struct their_request *their, const struct diff_case *seen)
{
    if (our->result == 1 && their->result == 1) {
        ASSERT(our->head_bytes == their->head_bytes);
        compare_line(our, their);
        compare_fields(our, their);
        compare_framing(our, their);
        if (our->head.keep_alive != their->keep_alive)
            must_be_accepted(DIFF_KEEP_ALIVE, 0, seen);
        if (our->head.chunked)
            compare_bodies(our, their, seen);
    } else if (our->result == 1) {
        must_be_accepted(DIFF_THEY_REFUSE, -their->result, seen);
    } else if (their->result == 1) {
        must_be_accepted(DIFF_WE_REFUSE, -our->result, seen);
    }
}

/* What both have looked at, from the request line on. */
static struct diff_case case_of(struct str input, const struct our_request *our, const struct their_request *their)
{
    size_t start = 0;
    size_t looked = our->result == 1 && our->head_bytes > their->head_bytes ? our->head_bytes : their->head_bytes;
    while (start < looked && (input.p[start] == '\r' || input.p[start] == '\n'))
        start++;
    struct diff_case seen = {.their = their, .our = our->result == 1 ? &our->head : NULL};
    seen.input = str_slice(input.p, looked);
    seen.line = str_slice(input.p + start, looked - start);
    seen.line.n = str_find(seen.line, '\r');
    seen.body = str_slice(input.p + looked, input.n - looked);
    return seen;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct our_request our;
    struct their_request their;
    static char our_body[INPUT_MAX], their_body[INPUT_MAX];
    struct str input = str_slice((const char *)bytes, n);
    if (n == 0 || n > INPUT_MAX)
        return 0;
    our_read(&our, input, our_body);
    their_read(&their, input, their_body);
    struct diff_case seen = case_of(input, &our, &their);
    compare(&our, &their, &seen);
    return 0;
}
