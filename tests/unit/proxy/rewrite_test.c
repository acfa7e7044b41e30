/* What is added to heads and taken from them, as text before and after. */
#include "proxy/rewrite.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "http/h1_parse.h"
#include "tests/unit/alloc_fail.h"
#include "tests/unit/balance/balance_helper.h"

enum { FIELDS = 32 };

static const struct h1_limits limits = {16384, 20, 8192};
static const struct network trusted[] = {
    {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 0}, 96 + 8},
    {{0x20, 0x01, 0x0d, 0xb8}, 33},
};
static const struct rewrite_options all = {REWRITE_UPGRADE_WEBSOCKET, true, true, true, true, trusted,
                                           ARRAY_SIZE(trusted)};
static const struct rewrite_options none = {0};
static const struct rewrite_options only_trusts = {.trusted = trusted, .trusted_count = ARRAY_SIZE(trusted)};

static struct field fields[FIELDS];
static char printed[4096];

static struct msg parse(const char *text)
{
    struct h1_head head;
    assert_int_equal(h1_parse_request(str_of(text), &limits, fields, FIELDS, &head), 0);
    return head.msg;
}

/* The fields that travel, a line each. */
static const char *print_fields(const struct msg *msg)
{
    size_t n = 0;
    printed[0] = '\0';
    for (uint32_t i = 0; i < msg->count; i++)
        if (!msg->fields[i].dropped)
            n += (size_t)snprintf(printed + n, sizeof(printed) - n, "%.*s: %.*s\n", STR_ARG(msg->fields[i].name),
                                  STR_ARG(msg->fields[i].value));
    return printed;
}

static void set_peer(struct conn *conn, const char *address)
{
    static struct seat seat;

    memset(conn, 0, sizeof(*conn));
    seat_init(&seat, NULL);
    conn->seat = &seat;
    conn->transport = &transport_plain;
    if (inet_pton(AF_INET, address, &seat.peer.in4.sin_addr) == 1) {
        seat.peer.any.sa_family = AF_INET;
    } else if (inet_pton(AF_INET6, address, &seat.peer.in6.sin6_addr) == 1) {
        seat.peer.any.sa_family = AF_INET6;
    }
}

static int rewrite_from(struct msg *msg, const char *address, const struct rewrite_options *options,
                        struct arena *arena)
{
    static struct conn conn;
    struct rewrite_client client = {&conn, str_of(address)};
    set_peer(&conn, address);
    return rewrite_request(msg, &client, STR("my-id"), options, arena);
}

static const struct {
    const char *from, *fields, *result;
} requests[] = {
    {"192.0.2.1", "",
     "Via: 1.1 ballast\nX-Forwarded-For: 192.0.2.1\nX-Forwarded-Proto: http\nX-Forwarded-Host: h:8\n"
     "Forwarded: for=192.0.2.1;host=\"h:8\";proto=http\nX-Request-ID: my-id\n"},
    /* A stranger's words are dropped, */
    {"192.0.2.1",
     "X-Forwarded-For: 1.1.1.1\r\nx-forwarded-proto: https\r\nX-Forwarded-Host: evil\r\nForwarded: for=1.1.1.1\r\n"
     "X-Request-ID: theirs\r\nVia: 1.0 other\r\nA: b\r\n",
     "Via: 1.0 other\nA: b\nVia: 1.1 ballast\nX-Forwarded-For: 192.0.2.1\nX-Forwarded-Proto: http\n"
     "X-Forwarded-Host: h:8\nForwarded: for=192.0.2.1;host=\"h:8\";proto=http\nX-Request-ID: my-id\n"},
    /* a trusted proxy's are kept and extended, over several lines too. */
    {"10.255.0.9",
     "X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: 2.2.2.2\r\nX-Forwarded-For:\r\nX-Forwarded-Proto: https\r\n"
     "X-Forwarded-Host: public\r\nForwarded: for=1.1.1.1, for=2.2.2.2\r\n",
     "X-Forwarded-Proto: https\nX-Forwarded-Host: public\nVia: 1.1 ballast\n"
     "X-Forwarded-For: 1.1.1.1, 2.2.2.2, 10.255.0.9\n"
     "Forwarded: for=1.1.1.1, for=2.2.2.2, for=10.255.0.9;host=\"h:8\";proto=http\nX-Request-ID: my-id\n"},
    {"11.0.0.1", "X-Forwarded-For: 1.1.1.1\r\n",
     "Via: 1.1 ballast\nX-Forwarded-For: 11.0.0.1\nX-Forwarded-Proto: http\nX-Forwarded-Host: h:8\n"
     "Forwarded: for=11.0.0.1;host=\"h:8\";proto=http\nX-Request-ID: my-id\n"},
    /* Networks of any length; IPv6 is bracketed and quoted. */
    {"2001:db8:7fff::1", "X-Forwarded-For: a\r\n",
     "Via: 1.1 ballast\nX-Forwarded-For: a, 2001:db8:7fff::1\nX-Forwarded-Proto: http\nX-Forwarded-Host: h:8\n"
     "Forwarded: for=\"[2001:db8:7fff::1]\";host=\"h:8\";proto=http\nX-Request-ID: my-id\n"},
    {"2001:db8:8000::1", "X-Forwarded-For: a\r\n",
     "Via: 1.1 ballast\nX-Forwarded-For: 2001:db8:8000::1\nX-Forwarded-Proto: http\nX-Forwarded-Host: h:8\n"
     "Forwarded: for=\"[2001:db8:8000::1]\";host=\"h:8\";proto=http\nX-Request-ID: my-id\n"},
    /* A Unix socket's peer has no address, is in no network of addresses, and has no name that RFC 7239 knows. */
    {"unix", "X-Forwarded-For: a\r\n",
     "Via: 1.1 ballast\nX-Forwarded-For: unix\nX-Forwarded-Proto: http\nX-Forwarded-Host: h:8\n"
     "Forwarded: for=unknown;host=\"h:8\";proto=http\nX-Request-ID: my-id\n"},
};

static void rewrite_tells_where_from(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
        char text[1024];
        struct arena arena;
        arena_init(&arena, 1 << 16);
        (void)snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: h:8\r\n%s\r\n", requests[i].fields);
        struct msg msg = parse(text);
        assert_int_equal(rewrite_from(&msg, requests[i].from, &all, &arena), 0);
        assert_string_equal(print_fields(&msg), requests[i].result);
        arena_fini(&arena);
    }
}

static void rewrite_judges_upgrades(void **state)
{
    static const struct {
        enum rewrite_upgrade allowed;
        const char *request, *left;
    } cases[] = {
        {REWRITE_UPGRADE_OFF, "GET / HTTP/1.1\r\nUpgrade: websocket\r\n", ""},
        {REWRITE_UPGRADE_WEBSOCKET, "GET / HTTP/1.1\r\nUpgrade: WebSocket\r\n", "WebSocket"},
        {REWRITE_UPGRADE_WEBSOCKET, "GET / HTTP/1.1\r\nUpgrade: foo\r\n", ""},
        {REWRITE_UPGRADE_WEBSOCKET, "GET / HTTP/1.1\r\nUpgrade: websocket, foo\r\n", ""},
        {REWRITE_UPGRADE_WEBSOCKET, "POST / HTTP/1.1\r\nUpgrade: websocket\r\n", ""},
        {REWRITE_UPGRADE_WEBSOCKET, "GET / HTTP/1.1\r\nContent-Length: 0\r\nUpgrade: websocket\r\n", "websocket"},
        {REWRITE_UPGRADE_WEBSOCKET, "GET / HTTP/1.1\r\nContent-Length: 1\r\nUpgrade: websocket\r\n", ""},
        {REWRITE_UPGRADE_WEBSOCKET, "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nUpgrade: websocket\r\n", ""},
        {REWRITE_UPGRADE_ANY, "GET / HTTP/1.1\r\nUpgrade: foo/2, bar\r\n", "foo/2, bar"},
        {REWRITE_UPGRADE_ANY, "GET / HTTP/1.1\r\nUpgrade: foo, h2C\r\n", ""},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct rewrite_options options = {.upgrade = cases[i].allowed};
        char text[256];
        struct arena arena;
        arena_init(&arena, 1 << 16);
        (void)snprintf(text, sizeof(text), "%sHost: h\r\nConnection: upgrade\r\n\r\n", cases[i].request);
        struct msg msg = parse(text);
        assert_int_equal(rewrite_from(&msg, "192.0.2.1", &options, &arena), 0);
        assert_true(str_eq(msg.upgrade, str_of(cases[i].left)));
        arena_fini(&arena);
    }
}

static void rewrite_each_can_be_off(void **state)
{
    struct arena arena;
    arena_init(&arena, 1 << 16);
    const char *text = "GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: a\r\nForwarded: for=b\r\nVia: 1.1 c\r\n"
                       "X-Request-ID: d\r\n\r\n";
    struct msg msg = parse(text);
    assert_int_equal(rewrite_from(&msg, "192.0.2.1", &none, &arena), 0);
    assert_string_equal(print_fields(&msg), "Via: 1.1 c\nX-Request-ID: d\n"); /* a stranger's claims go all the same */
    msg = parse(text);
    assert_int_equal(rewrite_from(&msg, "10.0.0.1", &only_trusts, &arena), 0);
    assert_string_equal(print_fields(&msg), "X-Forwarded-For: a\nForwarded: for=b\nVia: 1.1 c\nX-Request-ID: d\n");
    /* A 1.0 request without Host names none. */
    msg = parse("GET / HTTP/1.0\r\nX-Forwarded-Host: evil\r\nExpect: 100-continue\r\n\r\n");
    assert_int_equal(rewrite_from(&msg, "192.0.2.1", &all, &arena), 0);
    assert_string_equal(print_fields(&msg), "Via: 1.0 ballast\nX-Forwarded-For: 192.0.2.1\nX-Forwarded-Proto: http\n"
                                            "Forwarded: for=192.0.2.1;proto=http\nX-Request-ID: my-id\n");
    arena_fini(&arena);
}

static void rewrite_counts_forwards_down(void **state)
{
    static const struct {
        const char *method, *value;
        int64_t left;
        const char *sent;
    } cases[] = {
        {"TRACE", "0", 0, "0"},
        {"TRACE", "1", 1, "0"},
        {"OPTIONS", "10", 10, "9"},
        {"GET", "5", -1, "5"},
        {"TRACE", "x", -1, "x"},
        {"TRACE", "-1", -1, "-1"},
        {"OPTIONS", "9223372036854775807", INT64_MAX, "9223372036854775806"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char text[256], wanted[64];
        struct arena arena;
        arena_init(&arena, 1 << 16);
        (void)snprintf(text, sizeof(text), "%s / HTTP/1.1\r\nHost: h\r\nMax-Forwards: %s\r\n\r\n", cases[i].method,
                       cases[i].value);
        struct msg msg = parse(text);
        assert_int_equal(rewrite_max_forwards(&msg), cases[i].left);
        assert_int_equal(rewrite_from(&msg, "192.0.2.1", &none, &arena), 0);
        (void)snprintf(wanted, sizeof(wanted), "Max-Forwards: %s\n", cases[i].sent);
        assert_string_equal(print_fields(&msg), wanted);
        arena_fini(&arena);
    }
}

static void rewrite_keeps_good_ids(void **state)
{
    char longest[131];
    memset(longest, 'x', 130);
    static const struct {
        const char *id;
        bool kept;
    } cases[] = {{"a", true}, {"A-Za.z0_9", true}, {"a b", false}, {"", false}, {"a\"b", false}, {"\xc3\xa4", false}};
    struct arena arena;
    struct rand_gen rand;
    arena_init(&arena, 1 << 16);
    rand_seed(&rand, 1);
    for (size_t i = 0; i < ARRAY_SIZE(cases) + 2; i++) {
        char text[512];
        longest[i == ARRAY_SIZE(cases) ? 128 : 129] = '\0';
        const char *id = i < ARRAY_SIZE(cases) ? cases[i].id : longest;
        bool kept = i < ARRAY_SIZE(cases) ? cases[i].kept : i == ARRAY_SIZE(cases);
        (void)snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: h\r\nX-Request-ID: %s\r\n\r\n", id);
        struct msg msg = parse(text);
        struct str result = rewrite_request_id(&msg, &arena, &rand);
        assert_int_equal(str_eq(result, str_of(id)), kept);
        if (!kept)
            assert_int_equal(result.n, REWRITE_ID_BYTES);
        longest[128] = longest[129] = 'x';
    }
    struct msg msg = parse("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    struct str a = rewrite_request_id(&msg, &arena, &rand), b = rewrite_request_id(&msg, &arena, &rand);
    assert_false(str_eq(a, b));
    for (size_t i = 0; i < a.n; i++)
        assert_non_null(strchr("0123456789abcdef", a.p[i]));
    alloc_fail_at(1);
    arena_fini(&arena);
    assert_null(rewrite_request_id(&msg, &arena, &rand).p);
    assert_true(alloc_fail_stop());
}

static void rewrite_completes_answers(void **state)
{
    struct msg msg = {.status = 200, .fields = fields, .cap = FIELDS};
    rewrite_answer(&msg, STR("1.1 ballast"), STR("now"), &all);
    assert_string_equal(print_fields(&msg), "Date: now\nVia: 1.1 ballast\n");
    msg = (struct msg){.status = 404, .fields = fields, .cap = FIELDS};
    msg_add_field(&msg, FIELD_DATE, STR("date"), STR("then"));
    rewrite_answer(&msg, STR("1.0 ballast"), STR("now"), &none);
    assert_string_equal(print_fields(&msg), "date: then\n");
    msg = (struct msg){.status = 103, .fields = fields, .cap = FIELDS};
    rewrite_answer(&msg, STR("1.1 ballast"), STR_NONE, &all);
    assert_string_equal(print_fields(&msg), "Via: 1.1 ballast\n");
}

static void rewrite_survives_no_memory(void **state)
{
    bool failed = true;
    for (unsigned n = 1; failed; n++) {
        struct arena arena;
        arena_init(&arena, 1 << 16);
        struct msg msg = parse("TRACE / HTTP/1.1\r\nHost: h\r\nMax-Forwards: 3\r\nX-Forwarded-For: a\r\n"
                               "X-Forwarded-For: b\r\nForwarded: for=a\r\n\r\n");
        alloc_fail_at(n);
        int error = rewrite_from(&msg, "10.0.0.1", &all, &arena);
        failed = alloc_fail_stop();
        assert_int_equal(error, failed ? -ERR_NO_MEMORY : 0);
        arena_fini(&arena);
        /* The cap of an arena is met in the same way. */
        arena_init(&arena, n * 8);
        msg = parse("GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: a\r\n\r\n");
        error = rewrite_from(&msg, "10.0.0.1", &all, &arena);
        assert_true(error == 0 || error == -ERR_NO_MEMORY);
        arena_fini(&arena);
    }
}

static struct str shown;

static struct str word(const struct conn *conn, enum transport_word what)
{
    return what == TRANSPORT_PEER_SUBJECT ? shown : STR_NONE;
}

/* The field is ours alone, whether a certificate was shown or not. */
static void rewrite_tells_whose_certificate_it_is(void **state)
{
    static const char text[] = "GET / HTTP/1.1\r\nHost: a\r\nX-Subject: CN=root\r\nx_subject: CN=root\r\n"
                               "X-Subjects: mine\r\nX-SUBJECT: CN=root\r\n\r\n";
    struct rewrite_options options = {.client_subject = STR("X-Subject"), .trusted = trusted, .trusted_count = 2};
    struct transport tls = transport_plain;
    struct arena arena;
    struct conn conn;
    tls.word = word;
    arena_init(&arena, 1 << 16);
    for (int certified = 0; certified < 2; certified++) {
        struct msg msg = parse(text);
        set_peer(&conn, "10.0.0.1"); /* trusted or not */
        conn.transport = &tls;
        shown = certified ? STR("CN=client,O=here") : STR_NONE;
        struct rewrite_client client = {&conn, STR("10.0.0.1")};
        assert_int_equal(rewrite_request(&msg, &client, STR("my-id"), &options, &arena), 0);
        assert_string_equal(print_fields(&msg),
                            certified ? "X-Subjects: mine\nX-Subject: CN=client,O=here\n" : "X-Subjects: mine\n");
    }
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rewrite_tells_where_from),   cmocka_unit_test(rewrite_judges_upgrades),
        cmocka_unit_test(rewrite_each_can_be_off),    cmocka_unit_test(rewrite_counts_forwards_down),
        cmocka_unit_test(rewrite_keeps_good_ids),     cmocka_unit_test(rewrite_completes_answers),
        cmocka_unit_test(rewrite_survives_no_memory), cmocka_unit_test(rewrite_tells_whose_certificate_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
