/* Heads on their way through the proxy: what a client or worker wrote never becomes another field, what it was to keep
 * is kept as it was, and what Ballast vouches for is there once, from Ballast.
 *
 * The first byte says what is switched on (see FLAG_x), the second how much memory there is; the rest is a head, of an
 * answer if FLAG_ANSWER is set.
 */
#include "fuzz.h"

#include <arpa/inet.h>
#include <stdlib.h>

#include "base/err.h"
#include "http/h1_parse.h"
#include "http/h1_write.h"
#include "proxy/rewrite.h"

enum {
    FLAG_VIA = 1,
    FLAG_X_FORWARDED = 2,
    FLAG_FORWARDED = 4,
    FLAG_REQUEST_ID = 8,
    FLAG_TRUSTED = 16,
    FLAG_IPV6 = 32,
    FLAG_ANSWER = 64,
    FLAG_LITTLE_MEMORY = 128
};
enum { FIELDS = 32, ADDED = REWRITE_REQUEST_FIELDS + 4 };

static const struct h1_limits limits = {.head_bytes = 4096, .fields = FIELDS, .target_bytes = 1024};
static const struct h1_limits limits_again = {.head_bytes = 32768, .fields = FIELDS + ADDED, .target_bytes = 1024};
static const struct network everyone = {.bits = 0};

struct scene {
    uint8_t flags;
    struct rewrite_options options;
    struct rewrite_client client;
    struct conn conn;
    struct seat seat;
    struct arena arena;
    struct field before[FIELDS]; /* as parsed, before anything was changed */
    uint32_t before_count;
};

static void scene_init(struct scene *scene, uint8_t flags, uint8_t memory)
{
    bool ipv6 = flags & FLAG_IPV6;
    memset(scene, 0, sizeof(*scene));
    scene->flags = flags;
    scene->options = (struct rewrite_options){.via = flags & FLAG_VIA,
                                              .x_forwarded = flags & FLAG_X_FORWARDED,
                                              .forwarded = flags & FLAG_FORWARDED,
                                              .request_id = flags & FLAG_REQUEST_ID,
                                              .trusted = &everyone,
                                              .trusted_count = flags & FLAG_TRUSTED ? 1 : 0};
    scene->conn.transport = &transport_plain;
    scene->conn.seat = &scene->seat;
    scene->seat.peer.any.sa_family = ipv6 ? AF_INET6 : AF_INET;
    scene->client = (struct rewrite_client){&scene->conn, ipv6 ? STR("2001:db8::9") : STR("192.0.2.9")};
    arena_init(&scene->arena, flags & FLAG_LITTLE_MEMORY ? (size_t)memory * 4 : 1 << 20);
}

/* ---- writing and reading again ---- */

struct reread {
    char *bytes;
    struct h1_head head;
    struct field fields[FIELDS + ADDED];
};

static void write_head(struct bufq *queue, const struct h1_head *head, bool answer)
{
    struct h1_framing framing = {head->chunked, head->msg.length, H1_CONNECTION_SILENT};
    int error = answer ? h1_write_answer(queue, &head->msg, &framing) : h1_write_request(queue, &head->msg, &framing);
    ASSERT(error == 0);
}

static void read_again(struct reread *again, const struct h1_head *head, bool answer)
{
    struct buf_pool pool;
    struct bufq queue;
    struct h1_scan scan = {0};
    size_t n, bytes = 0;
    buf_pool_init(&pool, 1 << 20);
    bufq_init(&queue, &pool);
    write_head(&queue, head, answer);
    n = bufq_bytes(&queue);
    int error = bufq_gather(&queue, n, n);
    again->bytes = malloc(n);
    ASSERT(error == 0 && again->bytes);
    memcpy(again->bytes, bufq_front(&queue).p, n);
    bufq_clear(&queue);
    buf_pool_fini(&pool);
    ASSERT(h1_scan(&scan, again->bytes, n, &limits_again, &bytes) == 1 && bytes == n);
    struct str text = str_slice(again->bytes, n);
    error = answer ? h1_parse_answer(text, (struct h1_asked){METHOD_GET}, &limits_again, again->fields, FIELDS + ADDED,
                                     &again->head)
                   : h1_parse_request(text, &limits_again, again->fields, FIELDS + ADDED, &again->head);
    ASSERT(error == 0);
}

/* ---- requests ---- */

static bool is_ours(const struct field *field)
{
    switch (field->id) {
    case FIELD_X_FORWARDED_FOR:
    case FIELD_X_FORWARDED_PROTO:
    case FIELD_X_FORWARDED_HOST:
    case FIELD_FORWARDED:
    case FIELD_X_REQUEST_ID:
    case FIELD_MAX_FORWARDS:
    case FIELD_EXPECT: return true;
    default: return false;
    }
}

/* The fields that nobody touches came through, in their order; and behind them at most one Via. */
static void check_kept(const struct scene *scene, const struct field *fields, uint32_t count)
{
    uint32_t k = 0;
    for (uint32_t i = 0; i < scene->before_count; i++) {
        const struct field *was = &scene->before[i];
        if (was->dropped || is_ours(was))
            continue;
        while (k < count && (fields[k].dropped || is_ours(&fields[k])))
            k++;
        ASSERT(k < count && str_eq(was->name, fields[k].name) && str_eq(was->value, fields[k].value));
        k++;
    }
    bool via = scene->options.via;
    for (; k < count; k++) {
        if (fields[k].dropped || is_ours(&fields[k]))
            continue;
        ASSERT(via && fields[k].id == FIELD_VIA && str_ends(fields[k].value, STR(" ballast")));
        via = false;
    }
    ASSERT(!via);
}

static uint32_t count_of(const struct field *fields, uint32_t count, enum field_id id)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < count; i++)
        found += fields[i].id == id && !fields[i].dropped;
    return found;
}

static struct str value_of(struct msg *msg, enum field_id id)
{
    struct field *field = fields_find(msg->fields, msg->count, id);
    ASSERT(field);
    return field->value;
}

/* A client that nobody trusts has no say in what stands there. */
static void check_stranger(const struct scene *scene, struct msg *msg)
{
    uint32_t on = scene->options.x_forwarded, host = on && msg->authority.n > 0;
    ASSERT(count_of(msg->fields, msg->count, FIELD_X_FORWARDED_FOR) == on);
    ASSERT(count_of(msg->fields, msg->count, FIELD_X_FORWARDED_PROTO) == on);
    ASSERT(count_of(msg->fields, msg->count, FIELD_X_FORWARDED_HOST) == host);
    ASSERT(count_of(msg->fields, msg->count, FIELD_FORWARDED) == scene->options.forwarded);
    if (on) {
        ASSERT(str_eq(value_of(msg, FIELD_X_FORWARDED_FOR), scene->client.host));
        ASSERT(str_eq(value_of(msg, FIELD_X_FORWARDED_PROTO), STR("http")));
    }
    if (host)
        ASSERT(str_eq(value_of(msg, FIELD_X_FORWARDED_HOST), msg->authority));
}

/* for=, maybe host=, proto=: one element, in which no byte of the client's ends a quoted string or the element. */
static void check_element(const struct scene *scene, struct msg *msg, struct str element)
{
    bool ipv6 = scene->flags & FLAG_IPV6;
    struct str head = ipv6 ? STR("for=\"[2001:db8::9]\"") : STR("for=192.0.2.9"), tail = STR(";proto=http");
    ASSERT(str_starts(element, head) && str_ends(element, tail));
    struct str host = str_slice(element.p + head.n, element.n - head.n - tail.n);
    ASSERT((host.n > 0) == (msg->authority.n > 0));
    if (host.n == 0)
        return;
    ASSERT(str_starts(host, STR(";host=")));
    host = str_slice(host.p + 6, host.n - 6);
    if (host.p[0] == '"') {
        ASSERT(host.n >= 2 && host.p[host.n - 1] == '"');
        host = str_slice(host.p + 1, host.n - 2);
    } else {
        ASSERT(field_is_token(host));
    }
    ASSERT(str_eq(host, msg->authority) && str_find(host, '"') == host.n && str_find(host, '\\') == host.n);
}

static void check_forwarded(const struct scene *scene, struct msg *msg)
{
    bool trusted = scene->options.trusted_count > 0;
    if (!trusted)
        check_stranger(scene, msg);
    if (scene->options.x_forwarded) {
        ASSERT(count_of(msg->fields, msg->count, FIELD_X_FORWARDED_FOR) == 1);
        ASSERT(str_ends(value_of(msg, FIELD_X_FORWARDED_FOR), scene->client.host));
    }
    if (!scene->options.forwarded)
        return;
    ASSERT(count_of(msg->fields, msg->count, FIELD_FORWARDED) == 1);
    struct str value = value_of(msg, FIELD_FORWARDED);
    /* Ours is the last element, and for a stranger the only one. */
    size_t host = msg->authority.n > 0 ? 6 + msg->authority.n + (field_is_token(msg->authority) ? 0 : 2) : 0;
    size_t element = (scene->flags & FLAG_IPV6 ? sizeof("for=\"[2001:db8::9]\"") : sizeof("for=192.0.2.9")) - 1 + host +
                     sizeof(";proto=http") - 1;
    ASSERT(value.n >= element);
    size_t start = value.n - element;
    ASSERT(start == 0 || (trusted && start >= 2 && value.p[start - 2] == ',' && value.p[start - 1] == ' '));
    check_element(scene, msg, str_slice(value.p + start, value.n - start));
}

static void check_id(const struct scene *scene, struct msg *msg, struct str id)
{
    ASSERT(id.n > 0 && id.n <= 128 && field_is_token(id));
    if (!scene->options.request_id)
        return;
    ASSERT(count_of(msg->fields, msg->count, FIELD_X_REQUEST_ID) == 1);
    ASSERT(str_eq(value_of(msg, FIELD_X_REQUEST_ID), id));
}

static void check_request(struct scene *scene, const struct h1_head *head, struct str id, int64_t forwards)
{
    struct reread again;
    if (head->msg.authority.n == 0)
        return; /* HTTP/1.0 without Host: no legal request until a default is set */
    read_again(&again, head, false);
    struct msg *msg = &again.head.msg;
    ASSERT(str_eq(msg->method_text, head->msg.method_text) && str_eq(msg->target, head->msg.target));
    ASSERT(str_eq(msg->authority, head->msg.authority));
    ASSERT(msg->body == head->msg.body && msg->length == head->msg.length && again.head.chunked == head->chunked);
    check_kept(scene, msg->fields, msg->count);
    /* RFC 9110 section 10.1.1: from HTTP/1.0 it means nothing, and what is forwarded is HTTP/1.1. */
    ASSERT(head->msg.minor == 1 || count_of(msg->fields, msg->count, FIELD_EXPECT) == 0);
    ASSERT(head->msg.expect_continue == msg->expect_continue);
    check_forwarded(scene, msg);
    check_id(scene, msg, id);
    if (forwards > 0)
        ASSERT(rewrite_max_forwards(msg) == forwards - 1);
    free(again.bytes);
}

static void try_request(struct scene *scene, struct str text, struct field *fields)
{
    struct h1_head head;
    struct rand_gen random;
    if (h1_parse_request(text, &limits, fields, FIELDS, &head) != 0)
        return;
    head.msg.cap = FIELDS + ADDED;
    scene->before_count = head.msg.count;
    memcpy(scene->before, fields, head.msg.count * sizeof(fields[0]));
    rand_seed(&random, 1);
    struct str id = rewrite_request_id(&head.msg, &scene->arena, &random);
    if (!id.p) {
        ASSERT(scene->flags & FLAG_LITTLE_MEMORY);
        return;
    }
    int64_t forwards = rewrite_max_forwards(&head.msg);
    int error = rewrite_request(&head.msg, &scene->client, id, &scene->options, &scene->arena);
    ASSERT(error == 0 || (error == -ERR_NO_MEMORY && (scene->flags & FLAG_LITTLE_MEMORY)));
    if (error == 0)
        check_request(scene, &head, id, forwards);
}

/* ---- answers ---- */

static void try_answer(struct scene *scene, struct str text, struct field *fields)
{
    struct h1_head head;
    struct reread again;
    if (h1_parse_answer(text, (struct h1_asked){METHOD_GET}, &limits, fields, FIELDS, &head) != 0)
        return;
    head.msg.cap = FIELDS + ADDED;
    uint32_t dates = count_of(fields, head.msg.count, FIELD_DATE);
    uint32_t before = head.msg.count;
    rewrite_answer(&head.msg, STR("1.1 ballast"), STR("Thu, 01 Jan 1970 00:00:00 GMT"), &scene->options);
    uint32_t date_added = head.msg.status >= 200 && dates == 0;
    ASSERT(head.msg.count == before + date_added + scene->options.via);
    read_again(&again, &head, true);
    struct msg *msg = &again.head.msg;
    ASSERT(msg->status == head.msg.status && str_eq(msg->reason, head.msg.reason));
    ASSERT(count_of(msg->fields, msg->count, FIELD_DATE) == dates + date_added);
    uint32_t k = 0;
    for (uint32_t i = 0; i < head.msg.count; i++) {
        while (k < msg->count && msg->fields[k].dropped)
            k++;
        if (head.msg.fields[i].dropped)
            continue;
        ASSERT(k < msg->count && str_eq(msg->fields[k].name, head.msg.fields[i].name));
        ASSERT(str_eq(msg->fields[k].value, head.msg.fields[i].value));
        k++;
    }
    free(again.bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct h1_scan scan = {0};
    struct scene scene;
    struct field fields[FIELDS + ADDED];
    size_t head = 0;
    if (n < 2 || h1_scan(&scan, (const char *)bytes + 2, n - 2, &limits, &head) != 1)
        return 0;
    struct str text = str_slice((const char *)bytes + 2, head);
    scene_init(&scene, bytes[0], bytes[1]);
    if (bytes[0] & FLAG_ANSWER)
        try_answer(&scene, text, fields);
    else
        try_request(&scene, text, fields);
    arena_fini(&scene.arena);
    return 0;
}
