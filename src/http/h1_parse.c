/* HTTP/1 heads: where they end, and what they say.
 *
 * Called by sessions and by the prober, on any thread. A head is looked at twice: the scan only seeks line feeds, so
 * that a head that arrives in pieces costs no parsing; the parse then knows that every line ends in CR LF and that the
 * head ends in an empty line, so it runs without asking for more bytes. A CR elsewhere is met by the parse, where it
 * stops a token, a target or a value, at no cost for good input.
 *
 * What the parse of the lines finds (which known fields are there) decides which of the rules of a message are looked
 * at at all: a plain GET is judged by its Host alone.
 */
#include "http/h1_parse.h"

#include "base/err.h"
#include "http/bytes.h"
#include "http/judge.h"
#include "http/target.h"

enum { SCAN_LINE_SLACK = 64 }; /* of the first line beside the target: method, version, spaces, CR LF */

int h1_scan(struct h1_scan *scan, const char *bytes, size_t n, const struct h1_limits *limits, size_t *ret_bytes)
{
    if (n <= scan->at)
        return 0;
    size_t limit = limits->head_bytes;
    size_t first_limit = scan->trailers ? limit : (size_t)limits->target_bytes + SCAN_LINE_SLACK;
    size_t lines_max = (size_t)limits->fields + (scan->trailers ? 0 : 1);
    for (;;) {
        bool first = scan->lines == 0 && first_limit < limit;
        size_t end = first ? first_limit : limit;
        size_t stop = n < end ? n : end;
        const char *feed = memchr(bytes + scan->at, '\n', stop - scan->at);
        if (!feed) {
            scan->at = (uint32_t)stop;
            return stop < end ? 0 : first ? -ERR_REQUEST_TARGET_SIZE : -ERR_REQUEST_HEAD_SIZE;
        }
        uint32_t line_start = scan->line_start, at = (uint32_t)(feed - bytes);
        if (at == line_start || feed[-1] != '\r')
            return -ERR_REQUEST_BARE_LF;
        scan->at = scan->line_start = at + 1;
        if (at == line_start + 1) {
            *ret_bytes = at + 1;
            return 1;
        }
        if (++scan->lines > lines_max)
            return -ERR_REQUEST_FIELD_COUNT;
    }
}

size_t h1_value_end(const char *bytes, size_t n)
{
    return bytes_value_run(bytes, n);
}

size_t h1_value_end_scalar(const char *bytes, size_t n)
{
    return bytes_run_scalar(bytes, n, bytes_is_value);
}

/* Known fields as bits, so that a message is asked once what it has. */
#define BIT(id) (1U << FIELD_##id)
_Static_assert(FIELD_ID_COUNT <= 32, "a bit for every known field");

#define FIELD(id, name, flags) | (((flags) & (FIELD_HOP | FIELD_FRAMING)) ? BIT(id) : 0U)
static const uint32_t drop_bits = 0U
#include "http/fields.def"
    ;
#undef FIELD

struct found {
    uint32_t count;
    uint32_t seen;
    uint32_t repeated;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* *at stands at CR LF: step over it. */
static int take_line_end(const char **at, const char *end, int err)
{
    const char *p = *at;
    if (end - p < 2 || p[0] != '\r' || p[1] != '\n')
        return p < end && (*p == '\r' || *p == '\n') ? -ERR_REQUEST_BARE_LF : err;
    *at = p + 2;
    return 0;
}

/* field-line of RFC 9112 section 5. */
static int parse_field(const char **at, const char *end, struct field *field)
{
    const char *name = *at;
    const char *colon = name + field_token_run(name, (size_t)(end - name));
    /* Section 5.2: obs-fold; section 2.2: white space before the first field. */
    if (colon == name && is_blank(*name))
        return -ERR_REQUEST_FOLDED;
    /* Section 5.1: no white space between name and colon; a name has at least one byte. */
    if (colon == name || *colon != ':')
        return -ERR_REQUEST_FIELD;
    const char *value = colon + 1;
    while (is_blank(*value))
        value++;
    const char *stop = value + bytes_value_run(value, (size_t)(end - value));
    *at = stop;
    /* RFC 9110 section 5.5: CR, LF and NUL are dangerous; other control bytes have no meaning either. */
    int err = take_line_end(at, end, -ERR_REQUEST_FIELD);
    if (err)
        return err;
    while (stop > value && is_blank(stop[-1]))
        stop--;
    field->name = str_slice(name, (size_t)(colon - name));
    field->value = str_slice(value, (size_t)(stop - value));
    field->id = (uint8_t)field_lookup(field->name);
    field->dropped = false;
    return 0;
}

/* All lines up to the empty one; p stands behind a line. */
static int parse_fields(const char *p, const char *end, struct field *fields, uint32_t cap, struct found *ret_found)
{
    struct found found = {0};
    while (*p != '\r') {
        ASSERT(found.count < cap);
        int err = parse_field(&p, end, &fields[found.count]);
        if (err)
            return err;
        uint32_t bit = 1U << fields[found.count++].id;
        found.repeated |= found.seen & bit;
        found.seen |= bit;
    }
    int err = take_line_end(&p, end, -ERR_REQUEST_FIELD);
    if (err)
        return err;
    ASSERT(p == end);
    *ret_found = found;
    return 0;
}

/* HTTP-version of RFC 9112 section 2.3 at *at. A higher minor version is treated as 1.1 (RFC 9110 section 2.5). */
static int parse_version(const char **at, const char *end, uint8_t *ret_minor)
{
    const char *p = *at;
    if (end - p < 8 || memcmp(p, "HTTP/", 5) != 0 || p[6] != '.')
        return -ERR_REQUEST_LINE;
    unsigned major = (unsigned)(p[5] - '0'), minor = (unsigned)(p[7] - '0');
    if (major > 9 || minor > 9)
        return -ERR_REQUEST_LINE;
    *at = p + 8;
    *ret_minor = minor > 0;
    return major == 1 ? 0 : -ERR_REQUEST_VERSION;
}

/* request-line of RFC 9112 section 3: single spaces, nothing else. */
static int parse_request_line(const char **at, const char *end, const struct h1_limits *limits, struct msg *msg)
{
    const char *method = *at;
    const char *p = method + field_token_run(method, (size_t)(end - method));
    if (p == method || *p != ' ')
        return p > method && *p == '\r' ? -ERR_REQUEST_LINE : -ERR_REQUEST_METHOD;
    msg->method_text = str_slice(method, (size_t)(p - method));
    msg->method = msg_method_of(msg->method_text);
    const char *target = ++p;
    p += bytes_target_run(p, (size_t)(end - p));
    if (p == target || *p != ' ')
        return *p == '\r' || *p == ' ' ? -ERR_REQUEST_LINE : -ERR_REQUEST_TARGET;
    struct str text = str_slice(target, (size_t)(p - target));
    p++;
    int err = parse_version(&p, end, &msg->minor);
    /* A syntax error that follows is worse than a version that is not known. */
    if (err != -ERR_REQUEST_LINE) {
        int bad_end = take_line_end(&p, end, -ERR_REQUEST_LINE);
        err = bad_end ? bad_end : err;
    }
    if (err)
        return err;
    *at = p;
    if (text.n > limits->target_bytes)
        return -ERR_REQUEST_TARGET_SIZE;
    /* RFC 9110 section 9.3.6: only a tunnel has a use for it. */
    if (msg->method == METHOD_CONNECT)
        return -ERR_REQUEST_CONNECT;
    return target_parse(msg->method, text, msg);
}

/* status-line of RFC 9112 section 4. The space before an absent reason may be missing: many servers leave it out. */
static int parse_status_line(const char **at, const char *end, struct msg *msg)
{
    const char *p = *at;
    int err = parse_version(&p, end, &msg->minor);
    if (err || end - p < 5 || *p++ != ' ')
        return -ERR_ANSWER_MALFORMED;
    unsigned hundreds = (unsigned)(p[0] - '0'), tens = (unsigned)(p[1] - '0'), ones = (unsigned)(p[2] - '0');
    if (hundreds < 1 || hundreds > 5 || tens > 9 || ones > 9)
        return -ERR_ANSWER_MALFORMED;
    msg->status = (uint16_t)(hundreds * 100 + tens * 10 + ones);
    p += 3;
    msg->reason = str_slice(p, 0);
    if (*p == ' ') {
        p++;
        msg->reason = str_slice(p, bytes_value_run(p, (size_t)(end - p)));
        p += msg->reason.n;
    }
    *at = p;
    return take_line_end(at, end, -ERR_ANSWER_MALFORMED);
}

/* Registered codings that are not supported: their names are well known, so they are no reason for 501 by themselves.
 */
static bool coding_is_registered(struct str name)
{
    return str_ieq(name, STR("gzip")) || str_ieq(name, STR("x-gzip")) || str_ieq(name, STR("deflate")) ||
           str_ieq(name, STR("compress")) || str_ieq(name, STR("x-compress")) || str_ieq(name, STR("identity"));
}

/* RFC 9112 sections 6.1 and 7: chunked, once, and last. 0: chunked and nothing else. */
static int judge_coding(const struct field *fields, uint32_t count)
{
    bool chunked = false, others = false, unknown = false;
    for (uint32_t i = 0; i < count; i++) {
        struct str rest = fields[i].value, piece;
        if (fields[i].id != FIELD_TRANSFER_ENCODING)
            continue;
        while (str_cut(&rest, ',', &piece)) {
            struct str name = str_trim(str_slice(piece.p, str_find(piece, ';')));
            bool is_chunked = str_ieq(name, STR("chunked"));
            if (chunked || !field_is_token(name) || (is_chunked && piece.n != name.n))
                return -ERR_REQUEST_CODING;
            chunked = is_chunked;
            others = others || !is_chunked;
            unknown = unknown || !(is_chunked || coding_is_registered(name));
        }
    }
    if (chunked)
        return others ? -ERR_REQUEST_CODING_UNKNOWN : 0;
    return unknown ? -ERR_REQUEST_CODING_UNKNOWN : -ERR_REQUEST_CODING;
}

/* RFC 9112 section 6.3 for a request. */
static int judge_request_body(struct h1_head *head, const struct found *found)
{
    struct msg *msg = &head->msg;
    if (!(found->seen & (BIT(CONTENT_LENGTH) | BIT(TRANSFER_ENCODING))))
        return 0;
    if (found->seen & BIT(TRANSFER_ENCODING)) {
        /* Section 6.1: both together, or a coding in HTTP/1.0, is how requests are smuggled. */
        if (found->seen & BIT(CONTENT_LENGTH))
            return -ERR_REQUEST_TWO_LENGTHS;
        head->chunked = true;
        msg->body = MSG_BODY_OPEN;
        return msg->minor == 0 ? -ERR_REQUEST_CODING : judge_coding(msg->fields, msg->count);
    }
    msg->body = MSG_BODY_LENGTH;
    return judge_length(msg->fields, msg->count, &msg->length);
}

struct options {
    bool close;
    bool keep_alive;
    bool upgrade;
};

static struct options read_connection(const struct msg *msg)
{
    struct options options = {0};
    for (uint32_t i = 0; i < msg->count; i++) {
        struct str rest = msg->fields[i].value, option;
        if (msg->fields[i].id != FIELD_CONNECTION)
            continue;
        while (str_cut(&rest, ',', &option)) {
            options.close = options.close || str_ieq(option, STR("close"));
            options.keep_alive = options.keep_alive || str_ieq(option, STR("keep-alive"));
            options.upgrade = options.upgrade || str_ieq(option, STR("upgrade"));
        }
    }
    return options;
}

/* What holds for this connection only: read, then marked as not to be forwarded. */
static void judge_connection(struct h1_head *head, const struct found *found)
{
    struct msg *msg = &head->msg;
    head->keep_alive = msg->minor == 1;
    if (!(found->seen & drop_bits))
        return;
    if (found->seen & BIT(CONNECTION)) {
        struct options options = read_connection(msg);
        head->keep_alive = !options.close && (msg->minor == 1 || options.keep_alive);
        /* RFC 9110 section 7.8: not from HTTP/1.0. Two fields cannot be said in one slice: no upgrade then. */
        bool upgrade = msg->minor == 1 && options.upgrade && (msg->status == 0 || msg->status == 101);
        if (upgrade && (found->seen & ~found->repeated & BIT(UPGRADE)))
            msg->upgrade = fields_find(msg->fields, msg->count, FIELD_UPGRADE)->value;
    }
    if (found->seen & BIT(TE)) {
        for (uint32_t i = 0; i < msg->count; i++) {
            if (msg->fields[i].id == FIELD_TE && field_list_has(msg->fields[i].value, STR("trailers")))
                msg->trailers_wanted = msg->status == 0;
        }
    }
    fields_drop_hop(msg->fields, msg->count);
}

static void assert_scanned(struct str head)
{
    ASSERT(head.n >= 2 && head.p[head.n - 2] == '\r' && head.p[head.n - 1] == '\n');
}

int h1_parse_request(struct str head, const struct h1_limits *limits, struct field *fields, uint32_t cap,
                     struct h1_head *ret_head)
{
    assert_scanned(head);
    struct h1_head out = {.msg = {.major = 1, .length = -1, .fields = fields, .cap = cap}};
    const char *p = head.p, *end = head.p + head.n;
    struct found found;
    int err = parse_request_line(&p, end, limits, &out.msg);
    if (!err)
        err = parse_fields(p, end, fields, cap, &found);
    if (err)
        return err;
    out.msg.count = found.count;
    err = judge_host(&out.msg, found.seen & BIT(HOST), found.repeated & BIT(HOST));
    if (!err)
        err = judge_request_body(&out, &found);
    if (!err && (found.seen & BIT(EXPECT)))
        err = judge_expect(&out.msg);
    if (err)
        return err;
    judge_connection(&out, &found);
    *ret_head = out;
    return 0;
}

/* RFC 9112 section 6.3 for an answer. */
static int judge_answer_body(struct h1_head *head, const struct found *found, enum msg_method asked)
{
    struct msg *msg = &head->msg;
    bool has_length = found->seen & BIT(CONTENT_LENGTH), has_coding = found->seen & BIT(TRANSFER_ENCODING);
    bool unframed = msg->status < 200 || msg->status == 204;
    if (has_length && judge_length(msg->fields, msg->count, &msg->length) != 0)
        return -ERR_ANSWER_FRAMING;
    if (has_coding && judge_coding(msg->fields, msg->count) != 0)
        return -ERR_ANSWER_CODING;
    /* Section 6.1: a coding in HTTP/1.0 makes the framing faulty. */
    if (!unframed && has_coding && (has_length || msg->minor == 0))
        return -ERR_ANSWER_FRAMING;
    if (unframed)
        msg->length = -1;
    if (unframed || msg->status == 304 || asked == METHOD_HEAD) {
        msg->body = MSG_BODY_NONE;
        return 0;
    }
    msg->body = has_length ? MSG_BODY_LENGTH : MSG_BODY_OPEN;
    head->chunked = has_coding;
    return 0;
}

int h1_parse_answer(struct str head, struct h1_asked asked, const struct h1_limits *limits, struct field *fields,
                    uint32_t cap, struct h1_head *ret_head)
{
    assert_scanned(head);
    struct h1_head out = {.msg = {.major = 1, .length = -1, .fields = fields, .cap = cap}};
    const char *p = head.p, *end = head.p + head.n;
    struct found found;
    if (parse_status_line(&p, end, &out.msg) != 0 || parse_fields(p, end, fields, cap, &found) != 0)
        return -ERR_ANSWER_MALFORMED;
    out.msg.count = found.count;
    int err = judge_answer_body(&out, &found, asked.method);
    if (err)
        return err;
    judge_connection(&out, &found);
    if (out.msg.body == MSG_BODY_OPEN && !out.chunked)
        out.keep_alive = false;
    *ret_head = out;
    return 0;
}

int h1_parse_trailers(struct str section, struct field *fields, uint32_t cap, uint32_t *ret_count)
{
    assert_scanned(section);
    struct found found;
    if (parse_fields(section.p, section.p + section.n, fields, cap, &found) != 0)
        return -ERR_REQUEST_TRAILER;
    fields_drop_from_trailers(fields, found.count);
    *ret_count = found.count;
    return 0;
}
