/* Request heads and trailer sections: what is refused, and what the others say. */
#include "http/h1_parse.h"

#include <stdlib.h>

#include "base/err.h"
#include "http_cmocka.h"

enum { CAP = 16 };

static const struct h1_limits limits = {.head_bytes = 4096, .fields = CAP, .target_bytes = 64};

/* A parsed head with the memory that it points into, exactly as long as the head: a sanitizer sees a read past it. */
struct parsed {
    char *memory;
    struct field fields[CAP];
    struct h1_head head;
    int code;
};

static void parse(struct parsed *parsed, struct str bytes)
{
    struct h1_scan scan = {0};
    size_t n = 0;
    *parsed = (struct parsed){.memory = malloc(bytes.n)};
    assert_non_null(parsed->memory);
    memcpy(parsed->memory, bytes.p, bytes.n);
    parsed->code = h1_scan(&scan, parsed->memory, bytes.n, &limits, &n);
    if (parsed->code != 1)
        return;
    assert_int_equal(n, bytes.n);
    parsed->head.msg.status = 999;
    parsed->code = h1_parse_request(str_slice(parsed->memory, n), &limits, parsed->fields, CAP, &parsed->head);
    assert_int_equal(parsed->head.msg.status, parsed->code ? 999 : 0);
}

static void release(struct parsed *parsed)
{
    free(parsed->memory);
}

struct refusal {
    int code;
    struct str bytes;
};

#define HOST "Host: h\r\n"
#define END  "\r\n"
#define REFUSE(code, bytes)          \
    {                                \
        -ERR_REQUEST_##code,         \
        {                            \
            bytes, sizeof(bytes) - 1 \
        }                            \
    }

static const struct refusal refusals[] = {
    /* RFC 9112 section 3: the request line has three parts with one space between them. */
    REFUSE(METHOD, "\r\n"),
    REFUSE(METHOD, " GET / HTTP/1.1\r\n" HOST END),
    REFUSE(METHOD, "\tGET / HTTP/1.1\r\n" HOST END),
    REFUSE(METHOD, "GE:T / HTTP/1.1\r\n" HOST END),
    REFUSE(METHOD, "G\0T / HTTP/1.1\r\n" HOST END),
    REFUSE(METHOD, "G\xc9T / HTTP/1.1\r\n" HOST END),
    REFUSE(METHOD, "GET\t/ HTTP/1.1\r\n" HOST END),
    REFUSE(METHOD, "\"GET\" / HTTP/1.1\r\n" HOST END),
    REFUSE(LINE, "GET\r\n" HOST END),
    REFUSE(LINE, "GET \r\n" HOST END),
    REFUSE(LINE, "GET /\r\n" HOST END), /* the simple request of HTTP/0.9 */
    REFUSE(LINE, "GET  / HTTP/1.1\r\n" HOST END),
    REFUSE(LINE, "GET /  HTTP/1.1\r\n" HOST END),
    REFUSE(LINE, "GET / HTTP/1.1 \r\n" HOST END),
    REFUSE(LINE, "GET / HTTP/1.1 x\r\n" HOST END),
    REFUSE(LINE, "GET / x HTTP/1.1\r\n" HOST END),
    REFUSE(LINE, "GET HTTP/1.1\r\n" HOST END),
    REFUSE(LINE, "GET / \r\n" HOST END),
    REFUSE(BARE_LF, "GET / HTTP/1.1\r\r\n" HOST END),
    REFUSE(TARGET, "GET /\tHTTP/1.1\r\n" HOST END),
    REFUSE(TARGET, "GET /a\x01 HTTP/1.1\r\n" HOST END),
    REFUSE(TARGET, "GET /\0 HTTP/1.1\r\n" HOST END),
    REFUSE(TARGET, "GET /\x7f HTTP/1.1\r\n" HOST END),
    REFUSE(TARGET, "GET /\xc3\xa9 HTTP/1.1\r\n" HOST END),
    REFUSE(TARGET, "GET /a#b HTTP/1.1\r\n" HOST END),
    REFUSE(TARGET, "GET h:80 HTTP/1.1\r\n" HOST END),
    REFUSE(TARGET, "GET * HTTP/1.1\r\n" HOST END),
    REFUSE(TARGET, "GET http://u@h/ HTTP/1.1\r\n" HOST END),
    REFUSE(TARGET_SIZE, "GET /0123456789012345678901234567890123456789012345678901234567890123 HTTP/1.1\r\n" HOST END),
    /* Section 2.3 */
    REFUSE(LINE, "GET / http/1.1\r\n" HOST END),
    REFUSE(LINE, "GET / HTTP/1\r\n" HOST END),
    REFUSE(LINE, "GET / HTTP/1.\r\n" HOST END),
    REFUSE(LINE, "GET / HTTP/1.10\r\n" HOST END),
    REFUSE(LINE, "GET / HTTP/11.1\r\n" HOST END),
    REFUSE(LINE, "GET / HTTP/a.1\r\n" HOST END),
    REFUSE(LINE, "GET / HTTP/1,1\r\n" HOST END),
    REFUSE(LINE, "GET / HTTP/-1.1\r\n" HOST END),
    REFUSE(LINE, "GET / HTTPS/1.1\r\n" HOST END),
    REFUSE(LINE, "GET / HTTP/2.0 x\r\n" HOST END),
    REFUSE(VERSION, "GET / HTTP/0.9\r\n" HOST END),
    REFUSE(VERSION, "GET / HTTP/2.0\r\n" HOST END),
    REFUSE(VERSION, "GET / HTTP/3.1\r\n" HOST END),
    REFUSE(VERSION, "PRI * HTTP/2.0\r\n\r\n"),
    /* RFC 9110 section 9.3.6 */
    REFUSE(CONNECT, "CONNECT h:443 HTTP/1.1\r\n" HOST END),
    /* Section 2.2: a CR that no LF follows */
    REFUSE(BARE_LF, "GET / HTTP/1.1\rHost: h\r\n\r\n"),
    REFUSE(BARE_LF, "GET / HTTP/1.1\r\n" HOST "A: b\rc\r\n\r\n"),
    REFUSE(BARE_LF, "GET / HTTP/1.1\r\n" HOST "A: b\r\r\n\r\n"),
    REFUSE(BARE_LF, "GET / HTTP/1.1\r\n" HOST "\rA: b\r\n\r\n"),
    REFUSE(BARE_LF, "GET / HTTP/1.1\r\n" HOST "A: b\n\r\n"),
    /* Section 5.2: folding; section 2.2: white space before the first field */
    REFUSE(FOLDED, "GET / HTTP/1.1\r\n" HOST "A: b\r\n c\r\n\r\n"),
    REFUSE(FOLDED, "GET / HTTP/1.1\r\n" HOST "A: b\r\n\tc\r\n\r\n"),
    REFUSE(FOLDED, "GET / HTTP/1.1\r\n" HOST "A: b\r\n \r\n\r\n"),
    REFUSE(FOLDED, "GET / HTTP/1.1\r\n Host: h\r\n\r\n"),
    /* Section 5.1: space before the colon; no name; no colon */
    REFUSE(FIELD, "GET / HTTP/1.1\r\n" HOST "A : b\r\n\r\n"),
    REFUSE(FIELD, "GET / HTTP/1.1\r\n" HOST "A\t: b\r\n\r\n"),
    REFUSE(FIELD, "GET / HTTP/1.1\r\n" HOST ": b\r\n\r\n"),
    REFUSE(FIELD, "GET / HTTP/1.1\r\n" HOST "A\r\n\r\n"),
    REFUSE(FIELD, "GET / HTTP/1.1\r\n" HOST "A b: c\r\n\r\n"),
    REFUSE(FIELD, "GET / HTTP/1.1\r\n" HOST "A(b): c\r\n\r\n"),
    REFUSE(FIELD, "GET / HTTP/1.1\r\n" HOST "A\0: c\r\n\r\n"),
    REFUSE(FIELD, "GET / HTTP/1.1\r\n" HOST "\xc3\xa9: c\r\n\r\n"),
    REFUSE(FIELD, "GET / HTTP/1.1\r\n" HOST "A-very-long-name-with-a-bad-byte@: c\r\n\r\n"),
    /* RFC 9110 section 5.5: control bytes in a value */
    REFUSE(FIELD, "GET / HTTP/1.1\r\n" HOST "A: b\0c\r\n\r\n"),
    REFUSE(FIELD, "GET / HTTP/1.1\r\n" HOST "A: b\x01\r\n\r\n"),
    REFUSE(FIELD, "GET / HTTP/1.1\r\n" HOST "A: b\x7f\r\n\r\n"),
    REFUSE(FIELD, "GET / HTTP/1.1\r\n" HOST "A: \x0b\r\n\r\n"),
    /* RFC 9112 section 3.2, RFC 9110 section 7.2 */
    REFUSE(HOST, "GET / HTTP/1.1\r\n\r\n"),
    REFUSE(HOST, "GET http://h/ HTTP/1.1\r\n\r\n"),
    REFUSE(HOST, "GET / HTTP/1.1\r\n" HOST HOST END),
    REFUSE(HOST, "GET / HTTP/1.0\r\n" HOST "hOST: i\r\n\r\n"),
    REFUSE(HOST, "GET / HTTP/1.1\r\nHost:\r\n\r\n"),
    REFUSE(HOST, "GET / HTTP/1.0\r\nHost: \r\n\r\n"),
    REFUSE(HOST, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"),
    REFUSE(HOST, "GET / HTTP/1.1\r\nHost: u@h\r\n\r\n"),
    REFUSE(HOST, "GET / HTTP/1.1\r\nHost: h:99999\r\n\r\n"),
    REFUSE(HOST, "GET / HTTP/1.1\r\nHost: [::g]\r\n\r\n"),
    REFUSE(HOST, "GET / HTTP/1.1\r\nHost: http://h/\r\n\r\n"),
    REFUSE(HOST, "GET http://h/ HTTP/1.1\r\nHost: a/b\r\n\r\n"),
    /* RFC 9110 section 8.6, RFC 9112 section 6.3 */
    REFUSE(LENGTH, "POST / HTTP/1.1\r\n" HOST "Content-Length:\r\n\r\n"),
    REFUSE(LENGTH, "POST / HTTP/1.1\r\n" HOST "Content-Length: +5\r\n\r\n"),
    REFUSE(LENGTH, "POST / HTTP/1.1\r\n" HOST "Content-Length: -5\r\n\r\n"),
    REFUSE(LENGTH, "POST / HTTP/1.1\r\n" HOST "Content-Length: 5 5\r\n\r\n"),
    REFUSE(LENGTH, "POST / HTTP/1.1\r\n" HOST "Content-Length: 0x5\r\n\r\n"),
    REFUSE(LENGTH, "POST / HTTP/1.1\r\n" HOST "Content-Length: 5.0\r\n\r\n"),
    REFUSE(LENGTH, "POST / HTTP/1.1\r\n" HOST "Content-Length: five\r\n\r\n"),
    REFUSE(LENGTH, "POST / HTTP/1.1\r\n" HOST "Content-Length: 9223372036854775808\r\n\r\n"),
    REFUSE(LENGTH, "POST / HTTP/1.1\r\n" HOST "Content-Length: 18446744073709551621\r\n\r\n"),
    REFUSE(LENGTH, "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nContent-Length: 6\r\n\r\n"),
    REFUSE(LENGTH, "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nContent-Length:\r\n\r\n"),
    REFUSE(LENGTH, "POST / HTTP/1.1\r\n" HOST "Content-Length: 5, 6\r\n\r\n"),
    REFUSE(LENGTH, "POST / HTTP/1.1\r\n" HOST "Content-Length: 5,\r\n\r\n"),
    REFUSE(LENGTH, "POST / HTTP/1.1\r\n" HOST "Content-Length: ,5\r\n\r\n"),
    REFUSE(LENGTH, "POST / HTTP/1.1\r\n" HOST "Content-Length: 5;5\r\n\r\n"),
    /* RFC 9112 section 6.1: both together */
    REFUSE(TWO_LENGTHS, "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"),
    REFUSE(TWO_LENGTHS, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n"),
    REFUSE(TWO_LENGTHS, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: x\r\nContent-Length: y\r\n\r\n"),
    /* Section 6.1: not in HTTP/1.0; section 6.3: chunked once, and last */
    REFUSE(CODING, "POST / HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"),
    REFUSE(CODING, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding:\r\n\r\n"),
    REFUSE(CODING, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip\r\n\r\n"),
    REFUSE(CODING, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: identity\r\n\r\n"),
    REFUSE(CODING, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked, gzip\r\n\r\n"),
    REFUSE(CODING, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked, xyz\r\n\r\n"),
    REFUSE(CODING, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked, chunked\r\n\r\n"),
    REFUSE(CODING, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"),
    REFUSE(CODING, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked,\r\n\r\n"),
    REFUSE(CODING, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: ,chunked\r\n\r\n"),
    REFUSE(CODING, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked;a=b\r\n\r\n"),
    REFUSE(CODING, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: \"chunked\"\r\n\r\n"),
    REFUSE(CODING, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chun ked\r\n\r\n"),
    REFUSE(CODING, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked \xff\r\n\r\n"),
    /* Section 6.1: 501 for what is not known */
    REFUSE(CODING_UNKNOWN, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n"),
    REFUSE(CODING_UNKNOWN, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"),
    REFUSE(CODING_UNKNOWN, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: xchunked\r\n\r\n"),
    REFUSE(CODING_UNKNOWN, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: xchunked;q=1, chunked\r\n\r\n"),
    /* RFC 9110 section 10.1.1 */
    REFUSE(EXPECT, "POST / HTTP/1.1\r\n" HOST "Expect: 100-continued\r\n\r\n"),
    REFUSE(EXPECT, "POST / HTTP/1.1\r\n" HOST "Expect:\r\n\r\n"),
    REFUSE(EXPECT, "POST / HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nExpect: x\r\n\r\n"),
};

static void malformed_requests_are_refused(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
        struct parsed parsed;
        parse(&parsed, refusals[i].bytes);
        if (parsed.code != refusals[i].code)
            fail_msg("%.*s: %d, not %d", STR_ARG(refusals[i].bytes), parsed.code, refusals[i].code);
        release(&parsed);
    }
}

struct request_case {
    const char *bytes;
    enum msg_method method;
    uint8_t minor;
    const char *target;
    const char *path;
    const char *authority;
    enum msg_body body;
    int64_t length;
    bool chunked, close, expect, trailers;
    const char *upgrade;
    const char *kept; /* names that are forwarded, one behind the other */
};

static const struct request_case requests[] = {
    {"GET /a?b HTTP/1.1\r\n" HOST END, METHOD_GET, 1, "/a?b", "/a", "h", MSG_BODY_NONE, -1},
    {"GET / HTTP/1.0\r\n\r\n", METHOD_GET, 0, "/", "/", "", MSG_BODY_NONE, -1, .close = true},
    {"GET / HTTP/1.2\r\n" HOST END, METHOD_GET, 1, "/", "/", "h", MSG_BODY_NONE, -1},
    {"GET / HTTP/1.9\r\n" HOST END, METHOD_GET, 1, "/", "/", "h", MSG_BODY_NONE, -1},
    {"!#$%&'*+-.^_`|~09azAZ /x HTTP/1.1\r\n" HOST END, METHOD_OTHER, 1, "/x", "/x", "h", MSG_BODY_NONE, -1},
    {"get / HTTP/1.1\r\n" HOST END, METHOD_OTHER, 1, "/", "/", "h", MSG_BODY_NONE, -1},
    {"GET http://i:8/p?q HTTP/1.1\r\n" HOST END, METHOD_GET, 1, "/p?q", "/p", "i:8", MSG_BODY_NONE, -1},
    {"GET http://i HTTP/1.0\r\n\r\n", METHOD_GET, 0, "/", "/", "i", MSG_BODY_NONE, -1, .close = true},
    {"OPTIONS * HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", METHOD_OPTIONS, 1, "*", "*", "[::1]:80", MSG_BODY_NONE, -1},
    {"OPTIONS http://i HTTP/1.1\r\n" HOST END, METHOD_OPTIONS, 1, "*", "*", "i", MSG_BODY_NONE, -1},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", METHOD_POST, 1, "/", "/", "h", MSG_BODY_LENGTH, 0},
    {"POST / HTTP/1.0\r\nContent-Length: 9223372036854775807\r\n\r\n", METHOD_POST, 0, "/", "/", "", MSG_BODY_LENGTH,
     INT64_MAX, .close = true},
    {"GET / HTTP/1.1\r\n" HOST "content-LENGTH:005\r\nContent-Length: 5 , 5\r\nX: y\r\n\r\n", METHOD_GET, 1, "/", "/",
     "h", MSG_BODY_LENGTH, 5, .kept = "X"},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n", METHOD_POST, 1, "/", "/", "h", MSG_BODY_OPEN, -1,
     true},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-ENCODING:\t ChunkeD \t\r\n\r\n", METHOD_POST, 1, "/", "/", "h", MSG_BODY_OPEN,
     -1, true},
    {"GET / HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", METHOD_GET, 1, "/", "/", "h", MSG_BODY_NONE, -1,
     .close = true},
    {"GET / HTTP/1.1\r\n" HOST "Connection: x\r\nConnection: Keep-Alive, CLOSE\r\nX: y\r\nZ: z\r\n\r\n", METHOD_GET, 1,
     "/", "/", "h", MSG_BODY_NONE, -1, .close = true, .kept = "Z"},
    {"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", METHOD_GET, 0, "/", "/", "", MSG_BODY_NONE, -1},
    {"GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", METHOD_GET, 0, "/", "/", "", MSG_BODY_NONE, -1,
     .close = true},
    {"GET / HTTP/1.0\r\nProxy-Connection: keep-alive\r\n\r\n", METHOD_GET, 0, "/", "/", "", MSG_BODY_NONE, -1,
     .close = true},
    {"PUT / HTTP/1.1\r\n" HOST "Expect: 100-Continue\r\nContent-Length: 1\r\n\r\n", METHOD_PUT, 1, "/", "/", "h",
     MSG_BODY_LENGTH, 1, .expect = true, .kept = "Expect"},
    {"PUT / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n", METHOD_PUT, 0, "/", "/", "",
     MSG_BODY_LENGTH, 1, .close = true, .kept = "Expect"},
    {"GET / HTTP/1.1\r\n" HOST "TE: gzip;q=0.5, Trailers\r\nConnection: TE\r\n\r\n", METHOD_GET, 1, "/", "/", "h",
     MSG_BODY_NONE, -1, .trailers = true},
    {"GET / HTTP/1.1\r\n" HOST "TE: gzip\r\nTE: trailers\r\n\r\n", METHOD_GET, 1, "/", "/", "h", MSG_BODY_NONE, -1,
     .trailers = true},
    {"GET / HTTP/1.1\r\n" HOST "TE: chunked\r\n\r\n", METHOD_GET, 1, "/", "/", "h", MSG_BODY_NONE, -1},
    {"GET / HTTP/1.1\r\n" HOST "Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\r\n", METHOD_GET, 1, "/", "/",
     "h", MSG_BODY_NONE, -1, .upgrade = "websocket"},
    {"GET / HTTP/1.1\r\n" HOST "Upgrade: websocket\r\n\r\n", METHOD_GET, 1, "/", "/", "h", MSG_BODY_NONE, -1},
    {"GET / HTTP/1.1\r\n" HOST "Upgrade: a\r\nUpgrade: b\r\nConnection: upgrade\r\n\r\n", METHOD_GET, 1, "/", "/", "h",
     MSG_BODY_NONE, -1},
    {"GET / HTTP/1.0\r\nUpgrade: websocket\r\nConnection: upgrade, keep-alive\r\n\r\n", METHOD_GET, 0, "/", "/", "",
     MSG_BODY_NONE, -1},
    {"GET / HTTP/1.1\r\n" HOST "A:b\r\nc: \t d\te \t \r\nEmpty:\r\nBlank: \t\r\nObs: \xff\x80\r\nA: again\r\n\r\n",
     METHOD_GET, 1, "/", "/", "h", MSG_BODY_NONE, -1, .kept = "A c Empty Blank Obs A"},
    {"GET / HTTP/1.1\r\nConnection: host, content-length, keep-alive, X-A\r\nHost: h\r\nContent-Length: "
     "3\r\nKeep-Alive: 5\r\nX-a: 1\r\n"
     "X-B: 2\r\n\r\n",
     METHOD_GET, 1, "/", "/", "h", MSG_BODY_LENGTH, 3, .kept = "X-B"},
};

static void check_kept(const struct msg *msg, const char *kept)
{
    struct str rest = str_of(kept ? kept : ""), name;
    for (uint32_t i = 0; i < msg->count; i++) {
        assert_int_equal(msg->fields[i].id, field_lookup(msg->fields[i].name));
        if (msg->fields[i].dropped)
            continue;
        assert_true(str_cut(&rest, ' ', &name));
        assert_str(msg->fields[i].name, name);
    }
    assert_int_equal(rest.n, 0);
}

static void well_formed_requests_are_understood(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
        const struct request_case *c = &requests[i];
        struct parsed parsed;
        parse(&parsed, str_of(c->bytes));
        if (parsed.code != 0)
            fail_msg("%s: %d", c->bytes, parsed.code);
        const struct msg *msg = &parsed.head.msg;
        assert_int_equal(msg->method, c->method);
        assert_str(msg->method_text, str_slice(c->bytes, str_find(str_of(c->bytes), ' ')));
        assert_int_equal(msg->minor, c->minor);
        assert_str(msg->target, str_of(c->target));
        assert_str(msg->path, str_of(c->path));
        assert_str(msg->authority, str_of(c->authority));
        assert_int_equal(msg->body, c->body);
        assert_int_equal(msg->length, c->length);
        assert_int_equal(parsed.head.chunked, c->chunked);
        assert_int_equal(parsed.head.keep_alive, !c->close);
        assert_int_equal(msg->expect_continue, c->expect);
        assert_int_equal(msg->trailers_wanted, c->trailers);
        assert_str(msg->upgrade, str_of(c->upgrade ? c->upgrade : ""));
        assert_int_equal(msg->cap, CAP);
        assert_ptr_equal(msg->fields, parsed.fields);
        check_kept(msg, c->kept);
        release(&parsed);
    }
}

static void values_lose_white_space_at_their_ends_only(void **state)
{
    struct parsed parsed;
    parse(&parsed, STR("GET / HTTP/1.1\r\n" HOST "A:b\r\nc: \t d\t e \t \r\nD: \t\r\nE:\r\n\r\n"));
    assert_int_equal(parsed.code, 0);
    assert_int_equal(parsed.head.msg.count, 5);
    assert_str(parsed.fields[1].value, STR("b"));
    assert_str(parsed.fields[2].value, STR("d\t e"));
    assert_str(parsed.fields[3].value, STR(""));
    assert_str(parsed.fields[4].value, STR(""));
    release(&parsed);
}

static void trailer_sections(void **state)
{
    static const struct {
        const char *bytes;
        int code;
        const char *kept;
    } cases[] = {
        {"\r\n", 0, ""},
        {"X-Sum: 1\r\n\r\n", 0, "X-Sum"},
        /* RFC 9110 section 6.5.1 */
        {"Content-Length: 1\r\nA: b\r\nTransfer-Encoding: chunked\r\nHost: x\r\nConnection: a\r\nB:\r\n\r\n", 0, "A B"},
        /* RFC 9112 section 7.1.2: a trailer field is a field line */
        {"A : b\r\n\r\n", -ERR_REQUEST_TRAILER, ""},
        {"A\r\n\r\n", -ERR_REQUEST_TRAILER, ""},
        {" A: b\r\n\r\n", -ERR_REQUEST_TRAILER, ""},
        {"A: b\r\n c\r\n\r\n", -ERR_REQUEST_TRAILER, ""},
        {"A: b\rc\r\n\r\n", -ERR_REQUEST_TRAILER, ""},
        {"A: \x02\r\n\r\n", -ERR_REQUEST_TRAILER, ""},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct field fields[8];
        struct h1_scan scan = {.trailers = true};
        uint32_t count = 77;
        size_t n = 0;
        assert_int_equal(h1_scan(&scan, cases[i].bytes, strlen(cases[i].bytes), &limits, &n), 1);
        assert_int_equal(h1_parse_trailers(str_slice(cases[i].bytes, n), fields, scan.lines, &count), cases[i].code);
        if (cases[i].code)
            assert_int_equal(count, 77);
        else
            check_kept(&(struct msg){.fields = fields, .count = count}, cases[i].kept);
    }
}

/* The cap is the scan's lines - 1, no more. */
static void fields_fit_exactly(void **state)
{
    static const char bytes[] = "GET / HTTP/1.1\r\nHost: h\r\nA: b\r\nC: d\r\n\r\n";
    struct field *fields = malloc(3 * sizeof(*fields));
    struct h1_head head;
    assert_non_null(fields);
    assert_int_equal(h1_parse_request(str_of(bytes), &limits, fields, 3, &head), 0);
    assert_int_equal(head.msg.count, 3);
    assert_int_equal(head.msg.cap, 3);
    free(fields);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(malformed_requests_are_refused),
        cmocka_unit_test(well_formed_requests_are_understood),
        cmocka_unit_test(values_lose_white_space_at_their_ends_only),
        cmocka_unit_test(trailer_sections),
        cmocka_unit_test(fields_fit_exactly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
