/* Heads of requests and answers, and trailer sections: nothing outside the input is read or pointed at, how the bytes
 * arrive changes nothing, and what was understood can be written and is understood the same again.
 *
 * The first byte says what comes: 'a' an answer, 'h' an answer to HEAD, 't' trailers, anything else a request.
 */
#include "fuzz.h"

#include <stdlib.h>

#include "http/h1_parse.h"
#include "http/h1_write.h"
#include "written.h"

enum { FIELDS = WRITTEN_FIELDS_MAX - 4 };

static const struct h1_limits limits = {.head_bytes = 2048, .fields = FIELDS, .target_bytes = 256};
struct scanned {
    struct h1_scan scan;
    int result;
    size_t head;
};

static struct scanned scan_whole(struct str input, bool trailers)
{
    struct scanned scanned = {.scan = {.trailers = trailers}};
    scanned.result = h1_scan(&scanned.scan, input.p, input.n, &limits, &scanned.head);
    return scanned;
}

static void check_scan_in_pieces(struct str input, bool trailers, const struct scanned *whole)
{
    struct scanned pieces = {.scan = {.trailers = trailers}};
    for (size_t n = 0; n <= input.n && pieces.result == 0; n++)
        pieces.result = h1_scan(&pieces.scan, input.p, n, &limits, &pieces.head);
    ASSERT(pieces.result == whole->result);
    if (whole->result == 1)
        ASSERT(pieces.head == whole->head && pieces.scan.lines == whole->scan.lines);
}

static void check_inside(struct str text, struct str head)
{
    ASSERT(text.n <= head.n);
    ASSERT(text.n == 0 || (text.p >= head.p && text.p + text.n <= head.p + head.n));
}

static void check_fields_inside(const struct field *fields, uint32_t count, struct str head)
{
    for (uint32_t i = 0; i < count; i++) {
        check_inside(fields[i].name, head);
        check_inside(fields[i].value, head);
        ASSERT(field_is_token(fields[i].name));
        ASSERT(h1_value_end_scalar(fields[i].value.p, fields[i].value.n) == fields[i].value.n);
        ASSERT(fields[i].id == field_lookup(fields[i].name));
    }
}

static void check_msg_inside(const struct msg *msg, struct str head)
{
    check_inside(msg->method_text, head);
    check_inside(msg->authority, head);
    check_inside(msg->reason, head);
    check_inside(msg->upgrade, head);
    /* "/" and "*" may stand for what an absolute form left out. */
    if (msg->target.n > 1)
        check_inside(msg->target, head);
    ASSERT(msg->path.n <= msg->target.n && msg->path.p == msg->target.p);
    check_fields_inside(msg->fields, msg->count, head);
}

static void check_same(const struct h1_head *a, const struct h1_head *b)
{
    ASSERT(str_eq(a->msg.method_text, b->msg.method_text) && a->msg.method == b->msg.method);
    ASSERT(str_eq(a->msg.target, b->msg.target) && str_eq(a->msg.path, b->msg.path));
    ASSERT(str_eq(a->msg.authority, b->msg.authority));
    ASSERT(a->msg.status == b->msg.status && str_eq(a->msg.reason, b->msg.reason));
    ASSERT(a->msg.body == b->msg.body && a->msg.length == b->msg.length && a->chunked == b->chunked);
    ASSERT(a->keep_alive == b->keep_alive && a->msg.trailers_wanted == b->msg.trailers_wanted);
    written_check_fields(a->msg.fields, a->msg.count, b->msg.fields, b->msg.count);
}

static void check_written(const struct h1_head *first, bool answer, struct h1_asked asked)
{
    struct buf_pool pool;
    struct bufq queue;
    struct field fields[WRITTEN_FIELDS_MAX];
    struct h1_head second;
    struct h1_framing framing = {first->chunked, first->msg.length,
                                 first->keep_alive ? H1_CONNECTION_SILENT : H1_CONNECTION_CLOSE};
    buf_pool_init(&pool, 1 << 20);
    bufq_init(&queue, &pool);
    int code =
        answer ? h1_write_answer(&queue, &first->msg, &framing) : h1_write_request(&queue, &first->msg, &framing);
    ASSERT(code == 0);
    struct str bytes = written_take(&queue);
    written_check_scans(bytes, false);
    code = answer ? h1_parse_answer(bytes, asked, &written_limits, fields, WRITTEN_FIELDS_MAX, &second)
                  : h1_parse_request(bytes, &written_limits, fields, WRITTEN_FIELDS_MAX, &second);
    ASSERT(code == 0);
    check_same(first, &second);
    free((void *)(uintptr_t)bytes.p);
}

static void check_head(struct str head, bool answer, struct h1_asked asked)
{
    struct field fields[FIELDS];
    struct h1_head first;
    int code = answer ? h1_parse_answer(head, asked, &limits, fields, FIELDS, &first)
                      : h1_parse_request(head, &limits, fields, FIELDS, &first);
    if (code != 0)
        return;
    check_msg_inside(&first.msg, head);
    /* What an HTTP/1.0 request without Host becomes is no legal request until somebody says which host. */
    if (answer || first.msg.authority.n > 0)
        check_written(&first, answer, asked);
}

static void check_trailers(struct str section)
{
    struct field fields[FIELDS], again[FIELDS];
    uint32_t count, count_again;
    struct buf_pool pool;
    struct bufq queue;
    if (h1_parse_trailers(section, fields, FIELDS, &count) != 0)
        return;
    check_fields_inside(fields, count, section);
    buf_pool_init(&pool, 1 << 20);
    bufq_init(&queue, &pool);
    ASSERT(h1_write_last_chunk(&queue, fields, count) == 0);
    struct str bytes = written_take(&queue);
    ASSERT(str_starts(bytes, STR("0\r\n")));
    struct str written = str_slice(bytes.p + 3, bytes.n - 3);
    written_check_scans(written, true);
    ASSERT(h1_parse_trailers(written, again, FIELDS, &count_again) == 0);
    written_check_fields(fields, count, again, count_again);
    free((void *)(uintptr_t)bytes.p);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    if (n == 0)
        return 0;
    bool trailers = bytes[0] == 't', answer = bytes[0] == 'a' || bytes[0] == 'h';
    struct str input = str_slice((const char *)bytes + 1, n - 1);
    struct scanned whole = scan_whole(input, trailers);
    check_scan_in_pieces(input, trailers, &whole);
    if (whole.result != 1)
        return 0;
    /* In memory of its own: a read past the head is seen. */
    char *head = malloc(whole.head);
    ASSERT(head);
    memcpy(head, input.p, whole.head);
    if (trailers)
        check_trailers(str_slice(head, whole.head));
    else
        check_head(str_slice(head, whole.head), answer, (struct h1_asked){bytes[0] == 'h' ? METHOD_HEAD : METHOD_GET});
    free(head);
    return 0;
}
