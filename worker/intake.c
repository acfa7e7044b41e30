/* Reading request bodies in constant memory. Called by client.c as bytes arrive.
 */
#include "worker/intake.h"

#include "base/err.h"
#include "http/h1_write.h"

enum { TRAILERS_MAX = 32 };

void intake_init(struct intake *intake, const struct h1_head *request)
{
    *intake = (struct intake){.state = INTAKE_DONE};
    if (request->chunked) {
        intake->state = INTAKE_CHUNKS;
        h1_chunk_init(&intake->chunk);
        intake->scan.trailers = true;
    } else if (request->msg.body == MSG_BODY_LENGTH && request->msg.length > 0) {
        intake->state = INTAKE_LENGTH;
        intake->left = (uint64_t)request->msg.length;
    }
}

struct str intake_front(struct bufq *in, const struct h1_limits *limits)
{
    struct str front = bufq_front(in);
    size_t wanted = bufq_bytes(in);
    if (wanted > limits->head_bytes)
        wanted = limits->head_bytes + 1; /* enough for the scan to see that it is too much */
    if (front.n >= wanted)
        return front;
    /* Twice the room: what is received next lands behind it and is not copied again. */
    if (bufq_gather(in, wanted, 2 * wanted) < 0)
        return STR_NONE;
    return bufq_front(in);
}

static int intake_length(struct intake *intake, struct bufq *in, struct bufq *echo)
{
    size_t n = bufq_bytes(in);
    if (n > intake->left)
        n = (size_t)intake->left;
    if (echo != NULL && bufq_move(echo, in, n) < 0)
        return -ERR_NO_MEMORY;
    if (echo == NULL)
        bufq_consume(in, n);
    intake->left -= n;
    intake->bytes += n;
    if (intake->left == 0)
        intake->state = INTAKE_DONE;
    return 0;
}

static int echo_chunk(struct bufq *in, struct bufq *echo, size_t n)
{
    char line[H1_CHUNK_HEAD_BYTES];
    if (bufq_append(echo, line, h1_chunk_head(line, n)) < 0 || bufq_move(echo, in, n) < 0)
        return -ERR_NO_MEMORY;
    return bufq_push_static(echo, STR("\r\n"));
}

static int intake_chunks(struct intake *intake, struct bufq *in, struct bufq *echo)
{
    size_t used;
    struct str data = STR_NONE;
    int event = h1_chunk_step(&intake->chunk, bufq_front(in), &used, &data);
    if (event < 0)
        return event;
    if (event == H1_CHUNK_LAST)
        intake->state = INTAKE_TRAILERS;
    if (event != H1_CHUNK_DATA || echo == NULL) {
        bufq_consume(in, used);
    } else {
        bufq_consume(in, used - data.n);
        if (echo_chunk(in, echo, data.n) < 0)
            return -ERR_NO_MEMORY;
    }
    intake->bytes += event == H1_CHUNK_DATA ? data.n : 0;
    return 0;
}

/* 1: more bytes needed. */
static int intake_trailers(struct intake *intake, struct bufq *in, struct bufq *echo, const struct h1_limits *limits)
{
    struct field fields[TRAILERS_MAX];
    uint32_t count = 0;
    size_t n;
    struct str front = intake_front(in, limits);
    if (front.p == NULL)
        return -ERR_NO_MEMORY;
    int found = h1_scan(&intake->scan, front.p, front.n, limits, &n);
    if (found <= 0)
        return found < 0 ? found : 1;
    int result = h1_parse_trailers(str_slice(front.p, n), fields, TRAILERS_MAX, &count);
    if (result == 0 && echo != NULL)
        result = h1_write_last_chunk(echo, fields, count);
    if (result < 0)
        return result;
    bufq_consume(in, n);
    intake->state = INTAKE_DONE;
    return 0;
}

int intake_step(struct intake *intake, struct bufq *in, struct bufq *echo, size_t echo_max,
                const struct h1_limits *limits)
{
    while (intake->state != INTAKE_DONE && bufq_bytes(in) > 0 && (echo == NULL || bufq_bytes(echo) < echo_max)) {
        int result = 0;
        if (intake->state == INTAKE_LENGTH)
            result = intake_length(intake, in, echo);
        else if (intake->state == INTAKE_CHUNKS)
            result = intake_chunks(intake, in, echo);
        else
            result = intake_trailers(intake, in, echo, limits);
        if (result != 0)
            return result < 0 ? result : 0;
    }
    return intake->state == INTAKE_DONE;
}
