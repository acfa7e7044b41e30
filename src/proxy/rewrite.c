/* Heads on their way through. Each rule stands in one function; the order of the added fields is part of the
 * conformance corpus. Pure but for the exchange's arena. */
#include "proxy/rewrite.h"

#include "base/err.h"

#include "http/target.h"

/* ---- who is believed ---- */

static bool is_trusted(const struct conn *conn, const struct rewrite_options *options)
{
    return network_has(options->trusted, options->trusted_count, &conn->seat->peer.any);
}

bool rewrite_is_https(const struct msg *msg, const struct conn *conn, const struct rewrite_options *options)
{
    if (str_eq(conn_scheme(conn), STR("https")))
        return true;
    const struct field *told = fields_find(msg->fields, msg->count, FIELD_X_FORWARDED_PROTO);
    return told && str_ieq(told->value, STR("https")) && is_trusted(conn, options);
}

/* ---- request ids ---- */

static bool id_well_formed(struct str id)
{
    if (id.n == 0 || id.n > 128)
        return false;
    for (size_t i = 0; i < id.n; i++) {
        char c = id.p[i];
        bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
                    c == '_' || c == '-';
        if (!good)
            return false;
    }
    return true;
}

struct str rewrite_request_id(const struct msg *msg, struct arena *arena, struct rand_gen *rand)
{
    const struct field *field = fields_find(msg->fields, msg->count, FIELD_X_REQUEST_ID);

    if (field && id_well_formed(field->value))
        return field->value;
    char *id = arena_take(arena, REWRITE_ID_BYTES);
    if (!id)
        return STR_NONE;
    for (size_t i = 0; i < REWRITE_ID_BYTES; i += STR_HEX64_BYTES)
        str_put_hex64(id + i, rand_u64(rand));
    return str_slice(id, REWRITE_ID_BYTES);
}

/* ---- requests ---- */

static void drop_all(struct msg *msg, enum field_id id)
{
    for (uint32_t i = 0; i < msg->count; i++)
        if (msg->fields[i].id == id)
            msg->fields[i].dropped = true;
}

static bool has_elements(const struct field *field, enum field_id id)
{
    return field->id == id && !field->dropped && field->value.n > 0;
}

/* The values of all lines of a list field, joined, and one element more; the lines are dropped. Not `believed`: they
 * are already. */
static struct str extend_list(struct msg *msg, enum field_id id, struct str element, bool believed, struct arena *arena)
{
    size_t room = element.n;

    if (!believed)
        return element;
    for (uint32_t i = 0; i < msg->count; i++)
        if (has_elements(&msg->fields[i], id))
            room += msg->fields[i].value.n + 2;
    if (room == element.n) {
        drop_all(msg, id);
        return element;
    }
    char *text = arena_take(arena, room);
    if (!text)
        return STR_NONE;
    char *at = text;
    for (uint32_t i = 0; i < msg->count; i++)
        if (has_elements(&msg->fields[i], id))
            at = str_put(str_put(at, msg->fields[i].value), STR(", "));
    str_put(at, element);
    drop_all(msg, id);
    return str_slice(text, room);
}

static void add(struct msg *msg, enum field_id id, struct str value)
{
    msg_add_field(msg, id, field_name(id), value);
}

/* A single-valued forwarding field: a believed one stays, any other was dropped and gives way to ours. */
static void replace(struct msg *msg, enum field_id id, struct str value, bool believed)
{
    if (!believed || !fields_find(msg->fields, msg->count, id))
        add(msg, id, value);
}

/* `"text"` when quoting is asked for. Hosts and addresses hold no quote or backslash. */
static char *put_quoted(char *at, struct str text, bool quoted)
{
    if (quoted)
        *at++ = '"';
    at = str_put(at, text);
    if (quoted)
        *at++ = '"';
    return at;
}

static struct str scheme_of(const struct rewrite_client *client)
{
    return conn_scheme(client->conn);
}

/* RFC 7239 section 4: a token stands bare, anything else is quoted; IPv6 is bracketed too. Written by hand, for every
 * request. */
static struct str forwarded_element(const struct msg *msg, const struct rewrite_client *client, struct arena *arena)
{
    enum { AROUND = 40 }; /* names, quotes, brackets and separators */
    struct str host = str_eq(client->host, STR("unix")) ? STR("unknown") : client->host; /* section 6.2 */
    bool ipv6 = str_find(host, ':') < host.n;
    char *text = arena_take(arena, host.n + msg->authority.n + scheme_of(client).n + AROUND);
    if (!text)
        return STR_NONE;
    char *at = str_put(text, ipv6 ? STR("for=\"[") : STR("for="));
    at = str_put(at, host);
    if (ipv6)
        at = str_put(at, STR("]\""));
    if (msg->authority.n > 0) {
        at = str_put(at, STR(";host="));
        at = put_quoted(at, msg->authority, !field_is_token(msg->authority));
    }
    at = str_put(at, STR(";proto="));
    at = str_put(at, scheme_of(client));
    return str_slice(text, (size_t)(at - text));
}

/* Even where we add none ourselves: a worker cannot tell a stranger's word from ours. */
static void drop_claims(struct msg *msg)
{
    for (uint32_t i = 0; i < msg->count; i++) {
        enum field_id id = msg->fields[i].id;
        if (id == FIELD_X_FORWARDED_FOR || id == FIELD_X_FORWARDED_PROTO || id == FIELD_X_FORWARDED_HOST ||
            id == FIELD_FORWARDED)
            msg->fields[i].dropped = true;
    }
}

static int add_forwarding(struct msg *msg, const struct rewrite_client *client, const struct rewrite_options *options,
                          struct arena *arena)
{
    bool trusted = is_trusted(client->conn, options);

    if (!trusted)
        drop_claims(msg);
    if (options->x_forwarded) {
        struct str chain = extend_list(msg, FIELD_X_FORWARDED_FOR, client->host, trusted, arena);
        if (!chain.p)
            return -ERR_NO_MEMORY;
        add(msg, FIELD_X_FORWARDED_FOR, chain);
        replace(msg, FIELD_X_FORWARDED_PROTO, scheme_of(client), trusted);
        if (msg->authority.n)
            replace(msg, FIELD_X_FORWARDED_HOST, msg->authority, trusted);
    }
    if (options->forwarded) {
        struct str element = forwarded_element(msg, client, arena);
        struct str chain = element.p ? extend_list(msg, FIELD_FORWARDED, element, trusted, arena) : STR_NONE;
        if (!chain.p)
            return -ERR_NO_MEMORY;
        add(msg, FIELD_FORWARDED, chain);
    }
    return 0;
}

int64_t rewrite_max_forwards(const struct msg *msg)
{
    const struct field *field = fields_find(msg->fields, msg->count, FIELD_MAX_FORWARDS);
    uint64_t value;

    if (!field || (msg->method != METHOD_TRACE && msg->method != METHOD_OPTIONS))
        return -1;
    return str_parse_u64(field->value, INT64_MAX, &value) ? -1 : (int64_t)value;
}

/* RFC 9110 section 7.6.2: one less for the next hop. */
static int count_down(struct msg *msg, struct arena *arena)
{
    int64_t left = rewrite_max_forwards(msg);

    if (left <= 0)
        return 0;
    struct str value = arena_print(arena, "%lld", (long long)left - 1);
    if (!value.p)
        return -ERR_NO_MEMORY;
    fields_find(msg->fields, msg->count, FIELD_MAX_FORWARDS)->value = value;
    return 0;
}

/* RFC 9110 section 7.8: what is not passed on is ignored. Only a request without a body can become a tunnel, and what
 * HTTP/2 in a tunnel would ask for we could not judge. */
bool rewrite_upgrades(const struct msg *msg, const struct rewrite_options *options)
{
    bool bodiless = msg->body == MSG_BODY_NONE || (msg->body == MSG_BODY_LENGTH && msg->length == 0);

    if (!bodiless || msg->method != METHOD_GET || msg->upgrade.n == 0)
        return false;
    switch (options->upgrade) {
    case REWRITE_UPGRADE_OFF: return false;
    case REWRITE_UPGRADE_WEBSOCKET: return str_ieq(msg->upgrade, STR("websocket"));
    case REWRITE_UPGRADE_ANY: return !field_list_has(msg->upgrade, STR("h2c"));
    }
    return false;
}

/* Whoever came with this field did not get it from us. */
static void add_subject(struct msg *msg, const struct rewrite_client *client, struct str name)
{
    if (name.n == 0)
        return;
    fields_drop_named(msg->fields, msg->count, name);
    struct str subject = conn_word(client->conn, TRANSPORT_PEER_SUBJECT);
    if (subject.n > 0)
        msg_add_field(msg, FIELD_OTHER, name, subject);
}

int rewrite_request(struct msg *msg, const struct rewrite_client *client, struct str id,
                    const struct rewrite_options *options, struct arena *arena)
{
    int error = count_down(msg, arena);
    if (error)
        return error;
    if (!rewrite_upgrades(msg, options))
        msg->upgrade = STR_NONE;
    if (!msg->expect_continue)
        drop_all(msg, FIELD_EXPECT); /* RFC 9110 section 10.1.1: from HTTP/1.0 it means nothing */
    if (options->via)
        add(msg, FIELD_VIA, msg_via(msg));
    error = add_forwarding(msg, client, options, arena);
    if (error)
        return error;
    if (options->request_id) {
        drop_all(msg, FIELD_X_REQUEST_ID);
        add(msg, FIELD_X_REQUEST_ID, id);
    }
    add_subject(msg, client, options->client_subject);
    return 0;
}

/* ---- answers ---- */

void rewrite_answer(struct msg *msg, struct str via, struct str date, const struct rewrite_options *options)
{
    if (msg->status >= 200 && !fields_find(msg->fields, msg->count, FIELD_DATE))
        add(msg, FIELD_DATE, date);
    if (options->via)
        add(msg, FIELD_VIA, via);
}

void rewrite_secure(struct msg *msg, const struct conn *conn)
{
    static const struct str name = {"Strict-Transport-Security", 25};
    struct str policy = conn_word(conn, TRANSPORT_HSTS);

    if (policy.n == 0)
        return;
    for (uint32_t i = 0; i < msg->count; i++)
        if (str_ieq(msg->fields[i].name, name) && !msg->fields[i].dropped)
            return;
    msg_add_field(msg, FIELD_OTHER, name, policy);
}
