/* From fields to a message. Called by the sessions of HTTP/2 on their thread, once a head. What holds in every version
 * is asked of http/judge; here is only what HTTP/2 says in its own way. */
#include "http/h2_head.h"

#include "http/judge.h"
#include "http/target.h"

#define BIT(id) (1U << FIELD_##id)

struct pseudo {
    struct str method, scheme, authority, path, protocol, status;
};

struct found {
    struct pseudo pseudo;
    uint32_t seen, repeated; /* known fields, as bits */
    uint32_t cookies;
};

/* The block's bytes where they live as long as the stream: a copy, or for a long head the chunk itself. */
static int keep_text(struct stream *stream, struct h2_block *block, struct str *ret_text)
{
    struct str text = h2_block_text(block);

    if (block->buf && block->buf->big) {
        buf_unref(stream->head_buf);
        stream->head_buf = buf_ref(block->buf);
    } else {
        text = arena_copy(stream->arena, text);
    }
    *ret_text = text;
    return text.p ? 0 : -ERR_NO_MEMORY;
}

static void take_pseudo(struct pseudo *pseudo, struct str name, struct str value)
{
    if (str_eq(name, STR(":method")))
        pseudo->method = value;
    else if (str_eq(name, STR(":scheme")))
        pseudo->scheme = value;
    else if (str_eq(name, STR(":authority")))
        pseudo->authority = value;
    else if (str_eq(name, STR(":path")))
        pseudo->path = value;
    else if (str_eq(name, STR(":protocol")))
        pseudo->protocol = value;
    else if (str_eq(name, STR(":status")))
        pseudo->status = value;
}

static bool is_cookie(const struct field *field)
{
    return field->name.n == 6 && memcmp(field->name.p, "cookie", 6) == 0;
}

static void take_fields(struct msg *msg, struct str text, struct found *found)
{
    struct str name, value;

    while (h2_block_next(&text, &name, &value)) {
        if (name.n > 0 && name.p[0] == ':') {
            take_pseudo(&found->pseudo, name, value);
            continue;
        }
        enum field_id id = field_lookup(name);
        msg_add_field(msg, id, name, value);
        found->repeated |= found->seen & (1U << id);
        found->seen |= 1U << id;
        found->cookies += is_cookie(&msg->fields[msg->count - 1]);
    }
}

/* RFC 9113 section 8.2.3: the pieces of a cookie are one field again for whoever speaks another version. Empty ones are
 * left out: the field would end with a space, which section 8.2.1 forbids. */
static int join_cookies(struct msg *msg, struct arena *arena)
{
    struct field *first = NULL;
    size_t room = 0;

    for (uint32_t i = 0; i < msg->count; i++)
        room += is_cookie(&msg->fields[i]) ? msg->fields[i].value.n + 2 : 0;
    char *text = arena_take(arena, room);
    if (!text)
        return -ERR_NO_MEMORY;
    char *at = text;
    for (uint32_t i = 0; i < msg->count; i++) {
        struct field *field = &msg->fields[i];
        if (!is_cookie(field))
            continue;
        at = str_put(at > text && field->value.n > 0 ? str_put(at, STR("; ")) : at, field->value);
        field->dropped = first != NULL;
        first = first ? first : field;
    }
    first->value = str_slice(text, (size_t)(at - text));
    return 0;
}

/* RFC 8441 section 4: what HTTP/1.1 asks for with GET and Upgrade. */
static int judge_connect(struct msg *msg, struct str protocol, bool ended)
{
    if (!str_ieq(protocol, STR("websocket")))
        return -ERR_REQUEST_CONNECT;
    if (ended)
        return -ERR_REQUEST_CONNECT;
    msg->method = METHOD_GET;
    msg->method_text = STR("GET");
    msg->upgrade = STR("websocket");
    msg->must_switch = true;
    return 0;
}

static int judge_pseudo(struct msg *msg, const struct pseudo *pseudo, const struct h1_limits *limits, bool ended)
{
    if (!field_is_token(pseudo->method))
        return -ERR_REQUEST_METHOD;
    if (msg->method == METHOD_CONNECT && judge_connect(msg, pseudo->protocol, ended))
        return -ERR_REQUEST_CONNECT;
    if (!str_ieq(pseudo->scheme, STR("http")) && !str_ieq(pseudo->scheme, STR("https")))
        return -ERR_REQUEST_TARGET;
    if (pseudo->path.n > limits->target_bytes)
        return -ERR_REQUEST_TARGET_SIZE;
    /* RFC 9113 section 8.3.1: a path, or "*"; never a whole URI. */
    if (pseudo->path.n == 0 || (pseudo->path.p[0] != '/' && pseudo->path.p[0] != '*'))
        return -ERR_REQUEST_TARGET;
    int error = target_parse(msg->method, pseudo->path, msg);
    if (error)
        return error;
    msg->authority = pseudo->authority;
    return msg->authority.n == 0 || target_host_valid(msg->authority) ? 0 : -ERR_REQUEST_HOST;
}

/* RFC 9113 section 8.1.1. */
static int judge_body(struct msg *msg, const struct found *found, bool ended)
{
    int error = 0;

    if (found->seen & BIT(CONTENT_LENGTH))
        error = judge_length(msg->fields, msg->count, &msg->length);
    if (error || (ended && msg->length > 0))
        return -ERR_REQUEST_LENGTH;
    if (msg->must_switch)
        return msg->length > 0 ? -ERR_REQUEST_LENGTH : 0; /* whole, until it is a tunnel */
    if (msg->length >= 0)
        msg->body = MSG_BODY_LENGTH;
    else
        msg->body = ended ? MSG_BODY_NONE : MSG_BODY_OPEN;
    return 0;
}

/* RFC 9113 section 8.2.2: TE may say trailers and nothing else; whatever else is of one connection ends here. */
static void judge_connection(struct msg *msg, const struct found *found)
{
    msg->trailers_wanted = (found->seen & BIT(TE)) != 0;
    fields_drop_hop(msg->fields, msg->count);
}

static int judge_request(struct msg *msg, const struct found *found, const struct h1_limits *limits, bool ended)
{
    int error = judge_pseudo(msg, &found->pseudo, limits, ended);

    if (!error && msg->count > limits->fields)
        error = -ERR_REQUEST_FIELD_COUNT;
    if (!error)
        error = judge_host(msg, found->seen & BIT(HOST), found->repeated & BIT(HOST));
    if (!error)
        error = judge_body(msg, found, ended);
    if (!error && (found->seen & BIT(EXPECT)))
        error = judge_expect(msg);
    return error;
}

static int begin_msg(struct stream *stream, struct h2_block *block, struct msg *msg, struct str *ret_text)
{
    uint32_t cap = block->count + stream->spare_fields;

    *msg = (struct msg){.major = 2, .minor = 1, .length = -1, .cap = cap};
    msg->fields = arena_take(stream->arena, (cap ? cap : 1) * sizeof(struct field));
    return msg->fields ? keep_text(stream, block, ret_text) : -ERR_NO_MEMORY;
}

int h2_head_request(struct stream *stream, struct h2_block *block, const struct h1_limits *limits, bool ended)
{
    struct found found = {0};
    struct msg msg;
    struct str text;
    int error = begin_msg(stream, block, &msg, &text);

    if (error)
        return error;
    take_fields(&msg, text, &found);
    msg.method_text = found.pseudo.method;
    msg.method = msg_method_of(msg.method_text);
    stream->head.method = msg.method; /* a refused HEAD gets no body either */
    error = block->error;
    if (!error)
        error = judge_request(&msg, &found, limits, ended);
    if (!error && found.cookies > 1)
        error = join_cookies(&msg, stream->arena);
    if (error)
        return error;
    judge_connection(&msg, &found);
    stream->head = msg;
    return 0;
}

/* RFC 9113 section 8.3.2, and 8.6: nothing is switched in HTTP/2. RFC 9110 section 15: 599 is the last one. */
static int judge_status(struct msg *msg, struct str status)
{
    uint64_t value;

    if (status.n != 3 || str_parse_u64(status, 599, &value) != 0 || value < 100 || value == 101)
        return -ERR_ANSWER_MALFORMED;
    msg->status = (uint16_t)value;
    return 0;
}

/* RFC 9110 sections 8.6 and 6.4.1: a length that is only told (HEAD, 304), and a body that cannot be. */
static int judge_answer_body(struct msg *msg, const struct found *found, enum msg_method asked, bool ended)
{
    bool unframed = msg->status < 200 || msg->status == 204;

    if ((found->seen & BIT(CONTENT_LENGTH)) && judge_length(msg->fields, msg->count, &msg->length) != 0)
        return -ERR_ANSWER_FRAMING;
    if (unframed)
        msg->length = -1;
    if (msg->status < 200)
        return ended ? -ERR_ANSWER_MALFORMED : 0; /* RFC 9113 section 8.1: the final head is missing */
    if (unframed || msg->status == 304 || asked == METHOD_HEAD)
        return 0;
    if (ended && msg->length > 0)
        return -ERR_ANSWER_FRAMING;
    if (ended)
        msg->length = 0;
    msg->body = msg->length >= 0 ? MSG_BODY_LENGTH : MSG_BODY_OPEN;
    return 0;
}

int h2_head_answer(struct stream *stream, struct h2_block *block, enum msg_method asked, bool ended,
                   struct msg *ret_msg)
{
    struct found found = {0};
    struct msg msg;
    struct str text;
    int error = begin_msg(stream, block, &msg, &text);

    if (!error)
        error = judge_answer_error(block->error);
    if (error)
        return error;
    take_fields(&msg, text, &found);
    error = judge_status(&msg, found.pseudo.status);
    if (!error)
        error = judge_answer_body(&msg, &found, asked, ended);
    if (error)
        return error;
    fields_drop_hop(msg.fields, msg.count);
    msg.reason = msg_reason_of(msg.status);
    *ret_msg = msg;
    return 0;
}

int h2_head_trailers(struct stream *stream, struct h2_block *block)
{
    struct found found = {0};
    struct msg msg;
    struct str text = arena_copy(stream->arena, h2_block_text(block));

    msg = (struct msg){.cap = block->count};
    msg.fields = arena_take(stream->arena, (msg.cap ? msg.cap : 1) * sizeof(struct field));
    if (!text.p || !msg.fields)
        return -ERR_NO_MEMORY;
    take_fields(&msg, text, &found);
    /* RFC 9113 section 8.1: no pseudo-header fields in trailers. */
    if (block->error || msg.count < block->count)
        return -ERR_REQUEST_TRAILER;
    fields_drop_from_trailers(msg.fields, msg.count);
    stream->trailers = msg.fields;
    stream->trailer_count = msg.count;
    return 0;
}
