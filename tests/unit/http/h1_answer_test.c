/* Answer heads: what is refused, and what the others say of the body and of the connection. */
#include "base/err.h"
#include "http/h1_parse.h"
#include "http_cmocka.h"

#include <stdlib.h>

enum { CAP = 16 };

static const struct h1_limits limits = {.head_bytes = 4096, .fields = CAP, .target_bytes = 64};

struct answer_case {
    const char *bytes;
    int code;
    enum msg_body body;
    int64_t length;
    bool chunked;
    bool keep_alive;
    enum msg_method asked;
};

#define OK     "HTTP/1.1 200 OK\r\n"
#define LENGTH "Content-Length: "
#define CODING "Transfer-Encoding: "

static const struct answer_case cases[] = {
    /* RFC 9112 section 6.3, in the order of its list */
    {OK LENGTH "5\r\n\r\n", 0, MSG_BODY_NONE, 5, false, true, METHOD_HEAD},
    {OK CODING "chunked\r\n\r\n", 0, MSG_BODY_NONE, -1, false, true, METHOD_HEAD},
    {OK "\r\n", 0, MSG_BODY_NONE, -1, false, true, METHOD_HEAD},
    {"HTTP/1.1 100 Continue\r\n\r\n", 0, MSG_BODY_NONE, -1, false, true},
    {"HTTP/1.1 103 Early Hints\r\nLink: x\r\n" LENGTH "5\r\n\r\n", 0, MSG_BODY_NONE, -1, false, true},
    {"HTTP/1.1 204 No Content\r\n\r\n", 0, MSG_BODY_NONE, -1, false, true},
    {"HTTP/1.1 204 No Content\r\n" LENGTH "5\r\n\r\n", 0, MSG_BODY_NONE, -1, false, true},
    {"HTTP/1.1 204 No Content\r\n" CODING "chunked\r\n" LENGTH "5\r\n\r\n", 0, MSG_BODY_NONE, -1, false, true},
    {"HTTP/1.1 304 Not Modified\r\n" LENGTH "5\r\n\r\n", 0, MSG_BODY_NONE, 5, false, true},
    {"HTTP/1.1 304 Not Modified\r\n\r\n", 0, MSG_BODY_NONE, -1, false, true},
    {OK CODING "chunked\r\n\r\n", 0, MSG_BODY_OPEN, -1, true, true},
    {OK CODING "CHUNKED\r\nConnection: close\r\n\r\n", 0, MSG_BODY_OPEN, -1, true, false},
    {OK LENGTH "0\r\n\r\n", 0, MSG_BODY_LENGTH, 0, false, true},
    {OK LENGTH "5\r\n" LENGTH "5\r\n\r\n", 0, MSG_BODY_LENGTH, 5, false, true},
    {OK LENGTH "5\r\nConnection: close\r\n\r\n", 0, MSG_BODY_LENGTH, 5, false, false},
    {OK "\r\n", 0, MSG_BODY_OPEN, -1, false, false},
    {OK "Connection: keep-alive\r\n\r\n", 0, MSG_BODY_OPEN, -1, false, false},
    {"HTTP/1.0 200 OK\r\n" LENGTH "5\r\n\r\n", 0, MSG_BODY_LENGTH, 5, false, false},
    {"HTTP/1.0 200 OK\r\n" LENGTH "5\r\nConnection: Keep-Alive\r\n\r\n", 0, MSG_BODY_LENGTH, 5, false, true},
    {"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n", 0, MSG_BODY_OPEN, -1, false, false},
    {"HTTP/1.7 200 OK\r\n" LENGTH "5\r\n\r\n", 0, MSG_BODY_LENGTH, 5, false, true},
    /* Section 4: a reason may be empty, and have obs-text; many servers leave its space out */
    {"HTTP/1.1 200 \r\n" LENGTH "5\r\n\r\n", 0, MSG_BODY_LENGTH, 5, false, true},
    {"HTTP/1.1 200\r\n" LENGTH "5\r\n\r\n", 0, MSG_BODY_LENGTH, 5, false, true},
    {"HTTP/1.1 599 \xff\t x\r\n" LENGTH "5\r\n\r\n", 0, MSG_BODY_LENGTH, 5, false, true},
    /* Section 4: the status line */
    {"\r\n", -ERR_ANSWER_MALFORMED},
    {"HTTP/1.1\r\n\r\n", -ERR_ANSWER_MALFORMED},
    {"HTTP/1.1 \r\n\r\n", -ERR_ANSWER_MALFORMED},
    {"HTTP/1.1 20\r\n\r\n", -ERR_ANSWER_MALFORMED},
    {"HTTP/1.1 2000 OK\r\n\r\n", -ERR_ANSWER_MALFORMED},
    {"HTTP/1.1  200 OK\r\n\r\n", -ERR_ANSWER_MALFORMED},
    {"HTTP/1.1\t200 OK\r\n\r\n", -ERR_ANSWER_MALFORMED},
    {"HTTP/1.1 200\tOK\r\n\r\n", -ERR_ANSWER_MALFORMED},
    {"HTTP/1.1 099 x\r\n\r\n", -ERR_ANSWER_MALFORMED},
    {"HTTP/1.1 600 x\r\n\r\n", -ERR_ANSWER_MALFORMED},
    {"HTTP/1.1 999 x\r\n\r\n", -ERR_ANSWER_MALFORMED},
    {"HTTP/1.1 -20 x\r\n\r\n", -ERR_ANSWER_MALFORMED},
    {"HTTP/1.1 2x0 x\r\n\r\n", -ERR_ANSWER_MALFORMED},
    {"HTTP/1.1 20: x\r\n\r\n", -ERR_ANSWER_MALFORMED},
    {"HTTP/1.1 200 O\x01K\r\n\r\n", -ERR_ANSWER_MALFORMED},
    {"HTTP/1.1 200 O\rK\r\n\r\n", -ERR_ANSWER_MALFORMED},
    {"HTTP/2.0 200 OK\r\n\r\n", -ERR_ANSWER_MALFORMED},
    {"HTTP/0.9 200 OK\r\n\r\n", -ERR_ANSWER_MALFORMED},
    {"http/1.1 200 OK\r\n\r\n", -ERR_ANSWER_MALFORMED},
    {"ICY 200 OK\r\n\r\n", -ERR_ANSWER_MALFORMED},
    {" HTTP/1.1 200 OK\r\n\r\n", -ERR_ANSWER_MALFORMED},
    {"<html>\r\n\r\n", -ERR_ANSWER_MALFORMED},
    /* Section 5 */
    {OK "A : b\r\n\r\n", -ERR_ANSWER_MALFORMED},
    {OK "A: b\r\n c\r\n\r\n", -ERR_ANSWER_MALFORMED},
    {OK " A: b\r\n\r\n", -ERR_ANSWER_MALFORMED},
    {OK "A: b\x01\r\n\r\n", -ERR_ANSWER_MALFORMED},
    {OK "A: b\rc\r\n\r\n", -ERR_ANSWER_MALFORMED},
    {OK "A\r\n\r\n", -ERR_ANSWER_MALFORMED},
    /* Section 6.3, RFC 9110 section 8.6 */
    {OK LENGTH "5\r\n" LENGTH "6\r\n\r\n", -ERR_ANSWER_FRAMING},
    {OK LENGTH "x\r\n\r\n", -ERR_ANSWER_FRAMING},
    {OK LENGTH "-1\r\n\r\n", -ERR_ANSWER_FRAMING},
    {OK LENGTH "\r\n\r\n", -ERR_ANSWER_FRAMING},
    {OK LENGTH "9223372036854775808\r\n\r\n", -ERR_ANSWER_FRAMING},
    {OK LENGTH "5\r\n" CODING "chunked\r\n\r\n", -ERR_ANSWER_FRAMING},
    {OK LENGTH "5\r\n" CODING "chunked\r\n\r\n", -ERR_ANSWER_FRAMING, .asked = METHOD_HEAD},
    {"HTTP/1.1 304 x\r\n" LENGTH "5\r\n" CODING "chunked\r\n\r\n", -ERR_ANSWER_FRAMING},
    {"HTTP/1.1 204 x\r\n" LENGTH "x\r\n\r\n", -ERR_ANSWER_FRAMING},
    {"HTTP/1.0 200 OK\r\n" CODING "chunked\r\n\r\n", -ERR_ANSWER_FRAMING}, /* section 6.1 */
    {OK CODING "gzip, chunked\r\n\r\n", -ERR_ANSWER_CODING},
    {OK CODING "gzip\r\n\r\n", -ERR_ANSWER_CODING},
    {OK CODING "chunked, chunked\r\n\r\n", -ERR_ANSWER_CODING},
    {OK CODING "xchunked\r\n\r\n", -ERR_ANSWER_CODING},
    {OK CODING "\r\n\r\n", -ERR_ANSWER_CODING},
    {"HTTP/1.1 204 x\r\n" CODING "x y\r\n\r\n", -ERR_ANSWER_CODING},
};

/* A copy that is exactly as long as the head. */
static int parse(const char *bytes, enum msg_method asked, char **ret_copy, struct field *fields,
                 struct h1_head *ret_head)
{
    struct h1_scan scan = {0};
    size_t n = strlen(bytes), head = 0;
    char *copy = malloc(n);
    assert_non_null(copy);
    memcpy(copy, bytes, n);
    assert_int_equal(h1_scan(&scan, copy, n, &limits, &head), 1);
    assert_int_equal(head, n);
    *ret_copy = copy;
    return h1_parse_answer(str_slice(copy, n), (struct h1_asked){asked}, &limits, fields, CAP, ret_head);
}

static void bodies_and_connections(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct answer_case *c = &cases[i];
        struct field fields[CAP];
        struct h1_head head = {.msg = {.minor = 99}};
        char *copy;
        int code = parse(c->bytes, c->asked, &copy, fields, &head);
        if (code != c->code)
            fail_msg("%s: %d, not %d", c->bytes, code, c->code);
        if (code) {
            assert_int_equal(head.msg.minor, 99);
        } else if (head.msg.body != c->body || head.msg.length != c->length || head.chunked != c->chunked ||
                   head.keep_alive != c->keep_alive) {
            fail_msg("%s: body %d, length %lld, chunked %d, keep-alive %d", c->bytes, head.msg.body,
                     (long long)head.msg.length, head.chunked, head.keep_alive);
        }
        free(copy);
    }
}

static void status_reason_and_fields(void **state)
{
    struct field fields[CAP];
    struct h1_head head;
    char *copy;
    assert_int_equal(parse("HTTP/1.0 404  Not\tFound \r\nHost: x\r\nServer: s\r\nConnection: server2\r\nServer2: t\r\n"
                           "Content-Length: 3\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n\r\n",
                           METHOD_GET, &copy, fields, &head),
                     0);
    assert_int_equal(head.msg.status, 404);
    assert_int_equal(head.msg.minor, 0);
    assert_str(head.msg.reason, STR(" Not\tFound "));
    assert_int_equal(head.msg.count, 7);
    static const bool dropped[] = {false, false, true, true, true, false, false};
    for (uint32_t i = 0; i < head.msg.count; i++)
        assert_int_equal(fields[i].dropped, dropped[i]);
    assert_str(fields[6].value, STR("b"));
    free(copy);
}

static void upgrade_is_read_from_101_alone(void **state)
{
    struct field fields[CAP];
    struct h1_head head;
    char *copy;
    assert_int_equal(
        parse("HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", METHOD_GET, &copy, fields, &head),
        0);
    assert_str(head.msg.upgrade, STR("websocket"));
    assert_true(fields[1].dropped);
    free(copy);
    assert_int_equal(
        parse("HTTP/1.1 426 x\r\nConnection: upgrade\r\nUpgrade: TLS/1.0\r\n\r\n", METHOD_GET, &copy, fields, &head),
        0);
    assert_str(head.msg.upgrade, STR(""));
    assert_true(fields[1].dropped);
    free(copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies_and_connections),
        cmocka_unit_test(status_reason_and_fields),
        cmocka_unit_test(upgrade_is_read_from_101_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
