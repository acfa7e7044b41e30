/* Runs http_parser and notes what it says. Owns nothing; called by the differential harness alone.
 *
 * Its callbacks hand out pieces. As all come from one run of bytes, a piece that goes on with a text only makes the
 * slice longer.
 */
#include "h1_diff_their.h"

static void extend(struct str *text, const char *at, size_t n)
{
    if (!text->p)
        text->p = at;
    text->n = (size_t)(at + n - text->p);
}

static int on_url(http_parser *parser, const char *at, size_t n)
{
    struct their_request *their = parser->data;
    extend(&their->url, at, n);
    return 0;
}

static int on_header_field(http_parser *parser, const char *at, size_t n)
{
    struct their_request *their = parser->data;
    if (their->head_done)
        return 0;
    if (their->in_value || their->count == 0) {
        ASSERT(their->count < THEIR_FIELDS);
        their->fields[their->count++] = (struct their_field){0};
    }
    their->in_value = false;
    extend(&their->fields[their->count - 1].name, at, n);
    return 0;
}

static int on_header_value(http_parser *parser, const char *at, size_t n)
{
    struct their_request *their = parser->data;
    if (their->head_done)
        return 0;
    their->in_value = true;
    extend(&their->fields[their->count - 1].value, at, n);
    return 0;
}

static int on_headers_complete(http_parser *parser)
{
    struct their_request *their = parser->data;
    their->head_done = true;
    their->chunked = (parser->flags & F_CHUNKED) != 0;
    their->has_length = (parser->flags & F_CONTENTLENGTH) != 0;
    their->length = parser->content_length;
    their->keep_alive = http_should_keep_alive(parser) != 0;
    return 0;
}

static int on_body(http_parser *parser, const char *at, size_t n)
{
    struct their_request *their = parser->data;
    memcpy(their->body + their->body_n, at, n);
    their->body_n += n;
    return 0;
}

static int on_message_complete(http_parser *parser)
{
    struct their_request *their = parser->data;
    their->message_done = true;
    return 0;
}

/* Feeds bytes until *done, or a refusal, or their end: 1, -HPE_x, 0. *ret_bytes: how many were looked at. */
static int feed(struct their_request *their, struct str input, const bool *done, size_t *ret_bytes)
{
    static const http_parser_settings settings = {.on_url = on_url,
                                                  .on_header_field = on_header_field,
                                                  .on_header_value = on_header_value,
                                                  .on_headers_complete = on_headers_complete,
                                                  .on_body = on_body,
                                                  .on_message_complete = on_message_complete};
    for (size_t i = 0; i < input.n; i++) {
        (void)http_parser_execute(&their->parser, &settings, input.p + i, 1);
        enum http_errno error = HTTP_PARSER_ERRNO(&their->parser);
        *ret_bytes = i + 1;
        if (error != HPE_OK)
            return -(int)error;
        if (*done)
            return 1;
    }
    *ret_bytes = input.n;
    return 0;
}

void their_read(struct their_request *their, struct str input, char *body)
{
    static struct their_field fields[THEIR_FIELDS];
    *their = (struct their_request){.fields = fields, .body = body};
    http_parser_init(&their->parser, HTTP_REQUEST);
    their->parser.data = their;
    their->result = feed(their, input, &their->head_done, &their->head_bytes);
    their->method = their->url.p ? http_method_str((enum http_method)their->parser.method) : NULL;
    their->major = their->parser.http_major;
    their->minor = their->parser.http_minor;
    if (their->result == 1 && their->chunked) {
        struct str rest = str_slice(input.p + their->head_bytes, input.n - their->head_bytes);
        their->body_result = feed(their, rest, &their->message_done, &their->body_bytes);
    }
}
