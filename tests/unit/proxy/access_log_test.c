/* Access lines as they stand in the file: both forms whole, and nothing that comes from outside breaks a line. */
#include "proxy/access_log.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/rand.h"
#include "tests/unit/alloc_fail.h"
#include "tests/unit/balance/balance_helper.h"

enum { FILE_MAX = 1 << 21 };

static const struct access_log_facts usual = {
    .wall_ns = 1767225600123456789,
    .id = {"the-id", 6},
    .client = {"192.0.2.1", 9},
    .method = {"GET", 3},
    .host = {"example.com", 11},
    .target = {"/a?b=c", 6},
    .path = {"/a", 2},
    .protocol = {"HTTP/1.1", 8},
    .by = {"worker", 6},
    .pool = {"web", 3},
    .worker = {"blue", 4},
    .tries = 2,
    .status = 200,
    .reused = true,
    .bytes_in = 5,
    .bytes_out = UINT64_C(5368709120),
    .queue_us = 8,
    .connect_us = 10,
    .first_byte_us = 20,
    .total_us = 30,
    .reason = {"ok", 2},
    .trace = {"t", 1},
    .span = {"s", 1},
};

struct fixture {
    char path[64];
    struct sink *sink;
    struct arena arena;
    struct access_format format;
    struct access_log log;
    char *text;
};

static void setup(struct fixture *f, const char *format)
{
    (void)snprintf(f->path, sizeof(f->path), "/tmp/ballast-access-XXXXXX");
    int fd = mkstemp(f->path);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(sink_create(f->path, &f->sink), 0);
    struct access_format_error wrong;
    arena_init(&f->arena, 1 << 20);
    assert_int_equal(access_format_init(&f->format, str_of(format), &f->arena, &wrong), 0);
    assert_int_equal(access_log_init(&f->log, f->sink, &f->format, 100), 0);
}

/* All that was written, as a C string in f->text. */
static void finish(struct fixture *f)
{
    access_log_fini(&f->log);
    arena_fini(&f->arena);
    assert_int_equal(sink_dropped(f->sink), 0);
    sink_destroy(&f->sink);
    f->text = calloc(1, FILE_MAX);
    FILE *file = fopen(f->path, "r");
    assert_non_null(f->text);
    assert_non_null(file);
    assert_true(fread(f->text, 1, FILE_MAX - 1, file) < FILE_MAX - 1);
    (void)fclose(file);
    unlink(f->path);
}

static void access_log_writes_text(void **state)
{
    struct fixture f;
    setup(&f, "text");
    access_log_write(&f.log, &usual);
    struct access_log_facts bare = {.status = 400, .by = STR("ballast")};
    bare.id = STR("i");
    bare.client = STR("::1");
    bare.host = STR("a b");
    bare.target = STR("/\"");
    bare.protocol = STR("HTTP/1.0");
    bare.queue_us = bare.connect_us = bare.first_byte_us = bare.total_us = -1;
    bare.reason = STR("bad_request_line");
    access_log_write(&f.log, &bare);
    finish(&f);
    assert_string_equal(f.text,
                        "2026-01-01T00:00:00.123Z id=the-id client=192.0.2.1 method=GET host=example.com target=/a?b=c "
                        "path=/a protocol=HTTP/1.1 status=200 by=worker reason=ok pool=web worker=blue tries=2 "
                        "bytes_in=5 bytes_out=5368709120 queue_us=8 connect_us=10 first_byte_us=20 total_us=30 "
                        "reused=1 trace=t span=s\n"
                        "1970-01-01T00:00:00.000Z id=i client=::1 method=- host=\"a b\" target=\"/\\\"\" path=- "
                        "protocol=HTTP/1.0 status=400 by=ballast reason=bad_request_line pool=- worker=- tries=0 "
                        "bytes_in=0 bytes_out=0 queue_us=-1 connect_us=-1 first_byte_us=-1 total_us=-1 reused=0 "
                        "trace=- span=-\n");
    free(f.text);
}

static void access_log_writes_json(void **state)
{
    struct fixture f;
    setup(&f, "json");
    access_log_write(&f.log, &usual);
    finish(&f);
    assert_string_equal(
        f.text,
        "{\"time\":\"2026-01-01T00:00:00.123Z\",\"id\":\"the-id\",\"client\":\"192.0.2.1\","
        "\"method\":\"GET\",\"host\":\"example.com\",\"target\":\"/a?b=c\",\"path\":\"/a\","
        "\"protocol\":\"HTTP/1.1\","
        "\"status\":200,\"by\":\"worker\",\"reason\":\"ok\",\"pool\":\"web\",\"worker\":\"blue\","
        "\"tries\":2,\"bytes_in\":5,\"bytes_out\":5368709120,\"queue_us\":8,\"connect_us\":10,\"first_byte_us\":20,"
        "\"total_us\":30,\"reused\":1,\"trace\":\"t\",\"span\":\"s\"}\n");
    free(f.text);
}

/* ---- hostile bytes ---- */

/* RFC 8259: a flat object of strings and whole numbers, one a line. Points behind it, or NULL. */
static const char *skip_string(const char *p)
{
    if (*p++ != '"')
        return NULL;
    for (; *p != '"'; p++) {
        unsigned char c = (unsigned char)*p;
        if (c < 0x20)
            return NULL;
        if (c != '\\')
            continue;
        p++;
        if (*p == 'u') {
            for (int i = 0; i < 4; i++)
                if (!strchr("0123456789abcdefABCDEF", *++p) || !*p)
                    return NULL;
        } else if (!*p || !strchr("\"\\/bfnrt", *p)) {
            return NULL;
        }
    }
    return p + 1;
}

static const char *skip_value(const char *p)
{
    if (*p == '"')
        return skip_string(p);
    p += *p == '-';
    size_t digits = strspn(p, "0123456789");
    return digits > 0 ? p + digits : NULL;
}

static uint32_t check_json_line(const char **text)
{
    uint32_t members = 0;
    const char *p = *text;
    assert_int_equal(*p++, '{');
    do {
        p = skip_string(p);
        assert_non_null(p);
        assert_int_equal(*p++, ':');
        p = skip_value(p);
        assert_non_null(p);
        members++;
    } while (*p++ == ',');
    assert_int_equal(p[-1], '}');
    assert_int_equal(*p++, '\n');
    *text = p;
    return members;
}

/* Key=value pairs, each value one word or quoted. */
static uint32_t check_text_line(const char **text)
{
    uint32_t members = 1;
    const char *p = *text + strcspn(*text, " \n");
    for (; *p == ' '; members++) {
        size_t name = strspn(++p, "abcdefghijklmnopqrstuvwxyz_");
        assert_true(name > 0);
        p += name;
        assert_int_equal(*p++, '=');
        p = *p == '"' ? skip_string(p) : p + strcspn(p, " \n\"");
        assert_non_null(p);
    }
    assert_int_equal(*p++, '\n');
    *text = p;
    return members;
}

static bool is_utf8(const char *text)
{
    assert_non_null(setlocale(LC_CTYPE, "C.UTF-8"));
    size_t n = mbstowcs(NULL, text, 0);
    return n != (size_t)-1;
}

static struct str noise(struct rand_gen *rand, char *out, size_t room)
{
    static const char nasty[] = "\"\\\r\n\t \x7f{}[]=,:\xc3\xa4\xf0\x9f";
    size_t n = rand_below(rand, 4) ? rand_below(rand, 60) : rand_below(rand, room);
    bool hostile = rand_below(rand, 2);
    for (size_t i = 0; i < n; i++)
        out[i] = hostile ? (char)rand_below(rand, 256) : nasty[rand_below(rand, sizeof(nasty) - 1)];
    return str_slice(out, n);
}

static void access_log_survives_hostile_bytes(void **state)
{
    enum { LINES = 400, MOST = 40000 };
    static char id[MOST], method[MOST], host[MOST], target[MOST], name[MOST];
    for (int json = 0; json <= 1; json++) {
        struct fixture f;
        struct rand_gen rand;
        rand_seed(&rand, 5);
        setup(&f, json ? "json" : "text");
        for (int i = 0; i < LINES; i++) {
            struct access_log_facts facts = usual;
            facts.id = noise(&rand, id, MOST);
            facts.method = noise(&rand, method, MOST);
            facts.host = noise(&rand, host, MOST);
            facts.target = noise(&rand, target, MOST);
            facts.worker = noise(&rand, name, MOST);
            facts.path = facts.target;
            facts.bytes_in = (int64_t)(rand_u64(&rand) >> 1);
            access_log_write(&f.log, &facts);
            assert_true(f.log.used <= ACCESS_LOG_BATCH_BYTES + ACCESS_LOG_LINE_MAX);
        }
        finish(&f);
        const char *p = f.text;
        for (int i = 0; i < LINES; i++)
            assert_int_equal(json ? check_json_line(&p) : check_text_line(&p), 23);
        assert_int_equal(*p, '\0');
        assert_true(is_utf8(f.text));
        free(f.text);
    }
}

/* As many quoted and bare values as there are fields, in a line of somebody's own: each field stays where it is. */
static void access_log_keeps_a_template(void **state)
{
    static char target[40000];
    struct fixture f;
    struct access_log_facts facts = usual;

    memset(target, '"', sizeof(target));
    facts.target = str_slice(target, sizeof(target));
    facts.user_agent = STR("x\" 200 \"\r\nevil]");
    setup(&f,
          "{status} [{time}] \"{method} {target}\" {host} \"{referer}\" {referer} {user_agent} \"{user_agent}\" {{}}");
    access_log_write(&f.log, &facts);
    facts.target = STR("/");
    access_log_write(&f.log, &facts);
    finish(&f);
    const char *second = strchr(f.text, '\n') + 1;
    static const char rest[] =
        "\" example.com \"-\" - \"x\\\" 200 \\\"\\r\\nevil]\" \"x\\\" 200 \\\"\\r\\nevil]\" {}\n";
    assert_int_equal(strncmp(f.text, "200 [2026-01-01T00:00:00.123Z] \"GET \\\"\\\"", 40), 0);
    assert_true(second - f.text > 3000 && second - f.text <= ACCESS_LOG_LINE_MAX);
    assert_int_equal(strncmp(second - strlen(rest), rest, strlen(rest)), 0);
    assert_int_equal(strncmp(second, "200 [2026-01-01T00:00:00.123Z] \"GET /", 37), 0);
    assert_string_equal(second + 37, rest);
    free(f.text);
}

/* ---- batches ---- */

static void access_log_gathers(void **state)
{
    struct fixture f;
    setup(&f, "text");
    access_log_write(&f.log, &usual);
    assert_int_equal(f.log.lines, 1);
    size_t line = f.log.used;
    uint32_t lines = 1;
    while (f.log.used > 0) {
        access_log_write(&f.log, &usual);
        lines++;
    }
    assert_int_equal(lines, (ACCESS_LOG_BATCH_BYTES + line - 1) / line);
    access_log_write(&f.log, &usual);
    access_log_flush(&f.log);
    assert_int_equal(f.log.used, 0);
    assert_int_equal(f.log.lines, 0);
    access_log_flush(&f.log);
    finish(&f);
    assert_int_equal(strlen(f.text), (lines + 1) * line);
    free(f.text);
}

static void access_log_may_be_off(void **state)
{
    struct access_log log;
    assert_int_equal(access_log_init(&log, NULL, NULL, 100), 0);
    access_log_write(&log, &usual);
    assert_int_equal(log.used, 0);
    access_log_flush(&log);
    access_log_fini(&log);
}

static void access_log_survives_no_memory(void **state)
{
    struct fixture f;
    struct access_log log;
    setup(&f, "text");
    alloc_fail_at(1);
    assert_int_equal(access_log_init(&log, f.sink, &f.format, 100), -ERR_NO_MEMORY);
    assert_true(alloc_fail_stop());
    access_log_fini(&log);
    finish(&f);
    free(f.text);
}

/* Exactly that share, evenly, and what is notable besides. */
static void access_log_samples(void **state)
{
    static const struct {
        uint32_t sample;
        int lines;
    } cases[] = {{0, 0}, {1, 2}, {10, 20}, {33, 66}, {50, 100}, {99, 198}, {100, 200}};

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct fixture f;
        setup(&f, "text");
        f.log.sample = cases[i].sample;
        struct access_log_facts facts = usual;
        for (int n = 0; n < 200; n++)
            access_log_write(&f.log, &facts);
        facts.notable = true;
        facts.reason = STR("notable");
        access_log_write(&f.log, &facts);
        finish(&f);
        int lines = 0;
        for (const char *at = f.text; (at = strchr(at, '\n')) != NULL; at++)
            lines++;
        assert_int_equal(lines, cases[i].lines + 1);
        assert_non_null(strstr(f.text, "reason=notable"));
        free(f.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(access_log_writes_text),
        cmocka_unit_test(access_log_writes_json),
        cmocka_unit_test(access_log_survives_hostile_bytes),
        cmocka_unit_test(access_log_keeps_a_template),
        cmocka_unit_test(access_log_gathers),
        cmocka_unit_test(access_log_samples),
        cmocka_unit_test(access_log_may_be_off),
        cmocka_unit_test(access_log_survives_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
