/* Header blocks of HTTP/2 made into messages: a message that was accepted can be written as HTTP/1 and is understood
 * the same there, with no field that is of one connection or of the framing.
 *
 * The first byte says what comes: 'a' an answer, 'h' an answer to HEAD, 't' trailers, anything else a request; the
 * second whether the block ended the message (bit 0) and how little memory there is (bits 1 and 2). The rest are lines
 * "name:value". What the library refuses before a block comes to Ballast is left out.
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "http/h1_write.h"
#include "http/h2_head.h"
#include "written.h"

enum { FIELDS = WRITTEN_FIELDS_MAX - 8, ENDED = 1, LITTLE_ARENA = 2, LITTLE_POOL = 4 };

static const struct h1_limits limits = {.head_bytes = 2048, .fields = FIELDS, .target_bytes = 256};

static struct {
    struct buf_pool pool;
    struct arena arena;
    struct stream stream;
    struct h2_block block;
    bool regular;
} f;

static void on_event(struct stream *stream, unsigned events)
{
}

/* ---- what comes past the library: RFC 9113 sections 8.2.1 and 8.2.2 ---- */

static bool is_name(struct str name)
{
    for (size_t i = 0; i < name.n; i++)
        if (name.p[i] >= 'A' && name.p[i] <= 'Z')
            return false;
    return field_is_token(name);
}

static bool is_value(struct str value)
{
    for (size_t i = 0; i < value.n; i++) {
        unsigned char c = (unsigned char)value.p[i];
        if ((c < ' ' && c != '\t') || c == 0x7f)
            return false;
    }
    return str_eq(str_trim(value), value);
}

static bool is_of_connection(struct str name, struct str value)
{
    static const char *const names[] = {"connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (str_eq(name, str_of(names[i])))
            return true;
    return str_eq(name, STR("te")) && !str_eq(value, STR("trailers"));
}

static void add(struct str name, struct str value)
{
    bool pseudo = name.n > 1 && name.p[0] == ':';

    if (!is_value(value) || !is_name(pseudo ? str_slice(name.p + 1, name.n - 1) : name) ||
        is_of_connection(name, value))
        return;
    if (pseudo && f.regular)
        return;
    f.regular |= !pseudo;
    h2_block_add(&f.block, &f.pool, &limits, name, value);
}

static void add_lines(struct str rest)
{
    struct str line;

    while (str_cut(&rest, '\n', &line)) {
        size_t skip = line.n > 0 && line.p[0] == ':';
        size_t colon = skip + str_find(str_slice(line.p + skip, line.n - skip), ':');
        if (colon < line.n)
            add(str_slice(line.p, colon), str_slice(line.p + colon + 1, line.n - colon - 1));
    }
}

/* ---- what holds ---- */

static struct str write_head(const struct msg *msg, bool answer)
{
    static struct buf_pool pool;
    struct bufq queue;
    struct h1_framing framing = {msg->body == MSG_BODY_OPEN, msg->length, H1_CONNECTION_SILENT};

    buf_pool_init(&pool, 1 << 20);
    bufq_init(&queue, &pool);
    ASSERT((answer ? h1_write_answer(&queue, msg, &framing) : h1_write_request(&queue, msg, &framing)) == 0);
    struct str bytes = written_take(&queue);
    written_check_scans(bytes, false);
    return bytes;
}

static void check_fields(const struct msg *msg, const struct h1_head *again)
{
    uint32_t cookies = 0;

    for (uint32_t i = 0; i < msg->count; i++) {
        const struct field *field = &msg->fields[i];
        ASSERT(field->id == field_lookup(field->name) && field_is_token(field->name));
        ASSERT(field->dropped || (field->id != FIELD_CONTENT_LENGTH && field->id != FIELD_TE));
        cookies += !field->dropped && str_eq(field->name, STR("cookie"));
    }
    ASSERT(msg->status || cookies <= 1);
    ASSERT(again->msg.length == msg->length && again->msg.body == msg->body);
    ASSERT(again->chunked == (msg->body == MSG_BODY_OPEN));
    written_check_fields(msg->fields, msg->count, again->msg.fields, again->msg.count);
}

static void check_request(bool ended)
{
    struct field fields[WRITTEN_FIELDS_MAX];
    struct h1_head again;
    const struct msg *msg = &f.stream.head;

    if (h2_head_request(&f.stream, &f.block, &limits, ended) != 0)
        return;
    h2_block_end(&f.block);
    ASSERT(msg->major == 2 && (!ended || msg->body != MSG_BODY_OPEN));
    if (msg->must_switch) {
        ASSERT(msg->method == METHOD_GET && str_eq(msg->upgrade, STR("websocket")) && !ended);
        return;
    }
    struct str bytes = write_head(msg, false);
    ASSERT(h1_parse_request(bytes, &written_limits, fields, WRITTEN_FIELDS_MAX, &again) == 0);
    ASSERT(again.msg.method == msg->method && str_eq(again.msg.method_text, msg->method_text));
    ASSERT(str_eq(again.msg.target, msg->target) && str_eq(again.msg.path, msg->path));
    ASSERT(str_eq(again.msg.authority, msg->authority));
    ASSERT(again.msg.trailers_wanted == msg->trailers_wanted);
    check_fields(msg, &again);
    free((void *)(uintptr_t)bytes.p);
}

static void check_answer(enum msg_method asked, bool ended)
{
    struct field fields[WRITTEN_FIELDS_MAX];
    struct h1_head again;
    struct msg msg;

    if (h2_head_answer(&f.stream, &f.block, asked, ended, &msg) != 0)
        return;
    h2_block_end(&f.block);
    ASSERT(msg.status >= 200 || (msg.status >= 100 && msg.status != 101 && !ended));
    struct str bytes = write_head(&msg, true);
    ASSERT(h1_parse_answer(bytes, (struct h1_asked){asked}, &written_limits, fields, WRITTEN_FIELDS_MAX, &again) == 0);
    ASSERT(again.msg.status == msg.status && str_eq(again.msg.reason, msg.reason));
    check_fields(&msg, &again);
    free((void *)(uintptr_t)bytes.p);
}

static void check_trailers(void)
{
    struct field again[WRITTEN_FIELDS_MAX];
    struct buf_pool pool;
    struct bufq queue;
    uint32_t count;

    if (h2_head_trailers(&f.stream, &f.block) != 0)
        return;
    h2_block_end(&f.block);
    buf_pool_init(&pool, 1 << 20);
    bufq_init(&queue, &pool);
    ASSERT(h1_write_last_chunk(&queue, f.stream.trailers, f.stream.trailer_count) == 0);
    struct str bytes = written_take(&queue), section = str_slice(bytes.p + 3, bytes.n - 3);
    written_check_scans(section, true);
    ASSERT(h1_parse_trailers(section, again, WRITTEN_FIELDS_MAX, &count) == 0);
    written_check_fields(f.stream.trailers, f.stream.trailer_count, again, count);
    free((void *)(uintptr_t)bytes.p);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    if (n < 2)
        return 0;
    bool ended = bytes[1] & ENDED;
    memset(&f, 0, sizeof(f));
    buf_pool_init(&f.pool, 1 << 20);
    if (bytes[1] & LITTLE_POOL)
        f.pool.chunks.max_objects = 1;
    arena_init(&f.arena, bytes[1] & LITTLE_ARENA ? n / 2 : 1 << 18);
    stream_init(&f.stream, on_event, &f.arena, &f.pool);
    f.stream.spare_fields = 2;
    add_lines(str_slice((const char *)bytes + 2, n - 2));
    switch (bytes[0]) {
    case 'a': check_answer(METHOD_GET, ended); break;
    case 'h': check_answer(METHOD_HEAD, ended); break;
    case 't': check_trailers(); break;
    default: check_request(ended);
    }
    h2_block_end(&f.block);
    stream_fini(&f.stream);
    arena_fini(&f.arena);
    ASSERT(f.pool.chunks.used == 0);
    buf_pool_fini(&f.pool);
    return 0;
}
