/* Heads as bytes: the exact form, long heads, no memory, and parse(write(msg)) is msg. */
#include "http/h1_write.h"

#include <stdlib.h>

#include "base/err.h"
#include "http/h1_parse.h"
#include "http_cmocka.h"
#include "tests/unit/alloc_fail.h"

static const struct h1_limits limits = {.head_bytes = 1 << 20, .fields = 2000, .target_bytes = 1 << 19};

static struct buf_pool pool;
static struct bufq queue;

static int set_up(void **state)
{
    buf_pool_init(&pool, 1 << 22);
    bufq_init(&queue, &pool);
    return 0;
}

static int tear_down(void **state)
{
    bufq_clear(&queue);
    buf_pool_fini(&pool);
    return 0;
}

/* What stands in the queue, in memory of its own. */
static struct str taken(void)
{
    size_t n = bufq_bytes(&queue), at = 0;
    char *copy = malloc(n + 1);
    assert_non_null(copy);
    while (bufq_bytes(&queue) > 0) {
        struct str front = bufq_front(&queue);
        memcpy(copy + at, front.p, front.n);
        at += front.n;
        bufq_consume(&queue, front.n);
    }
    return str_slice(copy, n);
}

static void assert_taken(const char *expected)
{
    struct str text = taken();
    assert_str(text, str_of(expected));
    free((void *)(uintptr_t)text.p);
}

static void request_in_its_exact_form(void **state)
{
    struct field fields[] = {
        {.name = STR("Host"), .value = STR("h"), .dropped = true},
        {.name = STR("aCCept"), .value = STR("*/*")},
        {.name = STR("X-Gone"), .value = STR("1"), .dropped = true},
        {.name = STR("X-Empty"), .value = STR("")},
    };
    struct msg msg = {
        .method_text = STR("GET"), .target = STR("/a?b"), .authority = STR("h:80"), .fields = fields, .count = 4};
    struct h1_framing framing = {.length = -1};
    assert_int_equal(h1_write_request(&queue, &msg, &framing), 0);
    assert_taken("GET /a?b HTTP/1.1\r\nHost: h:80\r\naCCept: */*\r\nX-Empty: \r\n\r\n");

    msg.count = 0;
    msg.authority = STR_NONE;
    framing.length = 0;
    assert_int_equal(h1_write_request(&queue, &msg, &framing), 0);
    assert_taken("GET /a?b HTTP/1.1\r\nHost: \r\nContent-Length: 0\r\n\r\n");

    msg.trailers_wanted = true;
    framing = (struct h1_framing){.chunked = true, .length = 7};
    assert_int_equal(h1_write_request(&queue, &msg, &framing), 0);
    assert_taken("GET /a?b HTTP/1.1\r\nHost: \r\nTE: trailers\r\nTransfer-Encoding: chunked\r\nConnection: TE\r\n\r\n");

    framing = (struct h1_framing){.length = INT64_MAX, .connection = H1_CONNECTION_CLOSE};
    assert_int_equal(h1_write_request(&queue, &msg, &framing), 0);
    assert_taken("GET /a?b HTTP/1.1\r\nHost: \r\nTE: trailers\r\nContent-Length: 9223372036854775807\r\nConnection: "
                 "close, TE\r\n\r\n");
}

static void answer_in_its_exact_form(void **state)
{
    struct field fields[] = {{.name = STR("Server"), .value = STR("s")}};
    struct msg msg = {.status = 200, .reason = STR("OK"), .fields = fields, .count = 1};
    struct h1_framing framing = {.length = 5, .connection = H1_CONNECTION_KEEP_ALIVE};
    assert_int_equal(h1_write_answer(&queue, &msg, &framing), 0);
    assert_taken("HTTP/1.1 200 OK\r\nServer: s\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\n");

    msg.reason = STR_NONE;
    msg.minor = 0;
    framing = (struct h1_framing){.chunked = true, .length = -1, .connection = H1_CONNECTION_CLOSE};
    assert_int_equal(h1_write_answer(&queue, &msg, &framing), 0);
    assert_taken("HTTP/1.1 200 \r\nServer: s\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n");

    msg.status = 103;
    framing = (struct h1_framing){.chunked = true, .length = 5};
    assert_int_equal(h1_write_answer(&queue, &msg, &framing), 0);
    assert_taken("HTTP/1.1 103 \r\nServer: s\r\n\r\n");
}

static void last_chunk(void **state)
{
    struct field trailers[] = {
        {.name = STR("Host"), .value = STR("h"), .dropped = true},
        {.name = STR("X-Sum"), .value = STR("1")},
    };
    assert_int_equal(h1_write_last_chunk(&queue, NULL, 0), 0);
    assert_taken("0\r\n\r\n");
    assert_int_equal(h1_write_last_chunk(&queue, trailers, 2), 0);
    assert_taken("0\r\nX-Sum: 1\r\n\r\n");
}

/* Runs of fields are copied as they lie; whatever is between them in memory must not slip in. */
static void fields_that_lie_side_by_side(void **state)
{
    static const char head[] = "GET / HTTP/1.1\r\nA: 1\r\nB:2\r\nC: 3\r\nHost: h\r\nD: 4\r\nE:  5\r\nF: 6 \r\nG: "
                               "7\r\nH: \r\nI: \t\r\nJ: 8\r\n\r\n";
    struct field fields[12];
    struct h1_head parsed;
    assert_int_equal(h1_parse_request(str_of(head), &limits, fields, 12, &parsed), 0);
    struct h1_framing framing = {.length = -1};
    assert_int_equal(h1_write_request(&queue, &parsed.msg, &framing), 0);
    assert_taken("GET / HTTP/1.1\r\nHost: h\r\nA: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\nE: 5\r\nF: 6\r\nG: 7\r\nH: \r\nI: "
                 "\r\nJ: 8\r\n\r\n");
    fields[4].dropped = fields[7].dropped = true;
    fields[8].value = STR("new");
    assert_int_equal(h1_write_request(&queue, &parsed.msg, &framing), 0);
    assert_taken("GET / HTTP/1.1\r\nHost: h\r\nA: 1\r\nB: 2\r\nC: 3\r\nE: 5\r\nF: 6\r\nH: new\r\nI: \r\nJ: 8\r\n\r\n");
}

static void assert_same(const struct h1_head *a, const struct h1_head *b)
{
    assert_int_equal(a->msg.status, b->msg.status);
    assert_str(a->msg.reason, b->msg.reason);
    assert_str(a->msg.method_text, b->msg.method_text);
    assert_str(a->msg.target, b->msg.target);
    assert_str(a->msg.path, b->msg.path);
    assert_str(a->msg.authority, b->msg.authority);
    assert_int_equal(a->msg.body, b->msg.body);
    assert_int_equal(a->msg.length, b->msg.length);
    assert_int_equal(a->chunked, b->chunked);
    assert_int_equal(a->keep_alive, b->keep_alive);
    assert_int_equal(a->msg.trailers_wanted, b->msg.trailers_wanted);
    uint32_t k = 0;
    for (uint32_t i = 0; i < a->msg.count; i++) {
        if (a->msg.fields[i].dropped)
            continue;
        while (k < b->msg.count && b->msg.fields[k].dropped)
            k++;
        assert_true(k < b->msg.count);
        assert_str(b->msg.fields[k].name, a->msg.fields[i].name);
        assert_str(b->msg.fields[k++].value, a->msg.fields[i].value);
    }
}

static const char *const requests[] = {
    "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
    "PATCH /x?y HTTP/1.1\r\nA:b\r\nHost: [::1]:8\r\nContent-Length: 12\r\nConnection: a, close\r\nC: d e\tf \r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost: h\r\nTE: trailers\r\nTransfer-Encoding: Chunked\r\nX:\r\n\r\n",
};

static void requests_come_back(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
        struct field fields[2][16];
        struct h1_head first, second;
        assert_int_equal(h1_parse_request(str_of(requests[i]), &limits, fields[0], 16, &first), 0);
        struct h1_framing framing = {first.chunked, first.msg.length,
                                     first.keep_alive ? H1_CONNECTION_SILENT : H1_CONNECTION_CLOSE};
        assert_int_equal(h1_write_request(&queue, &first.msg, &framing), 0);
        struct str text = taken();
        assert_int_equal(h1_parse_request(text, &limits, fields[1], 16, &second), 0);
        assert_same(&first, &second);
        free((void *)(uintptr_t)text.p);
    }
}

static const char *const answers[] = {
    "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 404 \r\nA:b\r\nTransfer-Encoding: chunked\r\nConnection: close\r\nSet-Cookie: c\r\nSet-Cookie: d\r\n\r\n",
    "HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n",
};

static void answers_come_back(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
        struct field fields[2][16];
        struct h1_head first, second;
        struct h1_asked asked = {METHOD_GET};
        assert_int_equal(h1_parse_answer(str_of(answers[i]), asked, &limits, fields[0], 16, &first), 0);
        struct h1_framing framing = {first.chunked, first.msg.length,
                                     first.keep_alive ? H1_CONNECTION_SILENT : H1_CONNECTION_CLOSE};
        assert_int_equal(h1_write_answer(&queue, &first.msg, &framing), 0);
        struct str text = taken();
        assert_int_equal(h1_parse_answer(text, asked, &limits, fields[1], 16, &second), 0);
        assert_same(&first, &second);
        free((void *)(uintptr_t)text.p);
    }
}

/* Heads of every size around what one reservation holds. */
static void long_heads(void **state)
{
    enum { COUNT = 1200 };
    static struct field fields[COUNT], again[COUNT + 8];
    static char value[40];
    memset(value, 'v', sizeof(value));
    for (uint32_t i = 0; i < COUNT; i++)
        fields[i] = (struct field){.name = STR("X-Name"), .value = str_slice(value, i % sizeof(value))};
    for (uint32_t count = 200; count <= COUNT; count += 7) {
        struct h1_head first = {.keep_alive = true}, second;
        first.msg = (struct msg){.method_text = STR("GET"),
                                 .target = STR("/"),
                                 .path = STR("/"),
                                 .authority = STR("h"),
                                 .fields = fields,
                                 .count = count,
                                 .length = -1};
        assert_int_equal(h1_write_request(&queue, &first.msg, &(struct h1_framing){.length = -1}), 0);
        struct str text = taken();
        assert_int_equal(h1_parse_request(text, &limits, again, COUNT + 8, &second), 0);
        assert_int_equal(second.msg.count, count + 1);
        assert_same(&first, &second);
        free((void *)(uintptr_t)text.p);
    }
}

/* The n-th allocation fails: the queue is as before. count fields of 30 bytes. */
static void check_no_memory(uint32_t count)
{
    static struct field fields[2000];
    for (uint32_t i = 0; i < count; i++)
        fields[i] = (struct field){.name = STR("X-Name"), .value = STR("01234567890123456789")};
    struct msg msg = {.status = 200, .reason = STR("OK"), .fields = fields, .count = count};
    unsigned n = 1;
    for (;; n++) {
        tear_down(NULL);
        set_up(NULL);
        assert_int_equal(bufq_push_static(&queue, STR("before")), 0);
        alloc_fail_at(n);
        int code = h1_write_answer(&queue, &msg, &(struct h1_framing){.length = 5});
        if (!alloc_fail_stop()) {
            assert_int_equal(code, 0);
            break;
        }
        assert_int_equal(code, -ERR_NO_MEMORY);
        assert_taken("before");
    }
    assert_true(n > 1);
    assert_int_equal(bufq_bytes(&queue), 6 + 17 + 19 + 2 + 30 * (size_t)count);
}

static void without_memory_nothing_is_written(void **state)
{
    check_no_memory(3);
    check_no_memory(1500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(request_in_its_exact_form, set_up, tear_down),
        cmocka_unit_test_setup_teardown(answer_in_its_exact_form, set_up, tear_down),
        cmocka_unit_test_setup_teardown(last_chunk, set_up, tear_down),
        cmocka_unit_test_setup_teardown(fields_that_lie_side_by_side, set_up, tear_down),
        cmocka_unit_test_setup_teardown(requests_come_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(answers_come_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(long_heads, set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_memory_nothing_is_written, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
