/* The framing of HTTP/1 bodies, shared by both sides' sessions: each is the other's mirror. Bytes move as slices, never
 * copied but where a chunk line or a trailer section must be read in one piece. */
#include "http/h1_body.h"

#include "http/h1_write.h"

void h1_body_in_init(struct h1_body_in *body, const struct h1_head *head)
{
    memset(body, 0, sizeof(*body));
    if (head->msg.body == MSG_BODY_NONE) {
        body->kind = H1_BODY_NONE;
    } else if (head->chunked) {
        body->kind = H1_BODY_CHUNKED;
        h1_chunk_init(&body->chunk);
    } else if (head->msg.body == MSG_BODY_LENGTH) {
        body->kind = H1_BODY_LENGTH;
        body->left = (uint64_t)head->msg.length;
    } else {
        body->kind = H1_BODY_CLOSE;
    }
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t body_room(const struct stream *stream)
{
    size_t waiting = bufq_bytes(&stream->body);
    return waiting < STREAM_BODY_HIGH ? STREAM_BODY_HIGH - waiting : 0;
}

int h1_scan_queue(struct h1_scan *scan, struct bufq *in, const struct h1_limits *limits, size_t *ret_bytes)
{
    size_t seen = smaller(bufq_bytes(in), limits->head_bytes + 1);

    if (bufq_front(in).n < seen) {
        int error = bufq_gather(in, seen, limits->head_bytes + 2);
        if (error)
            return error;
    }
    return h1_scan(scan, bufq_front(in).p, smaller(bufq_front(in).n, limits->head_bytes + 1), limits, ret_bytes);
}

struct field *h1_take_fields(struct stream *stream, struct bufq *in, uint32_t cap)
{
    struct buf *buf = bufq_front_buf(in);

    buf_unref(stream->head_buf); /* of an interim answer before this one */
    stream->head_buf = buf ? buf_ref(buf) : NULL;
    if (stream->head.fields && stream->head.cap >= cap)
        return stream->head.fields; /* of an interim answer before this one */
    return arena_take(stream->arena, (cap ? cap : 1) * sizeof(struct field));
}

/* Trailers are copied: their chunk may go on to hold the next message. */
static int take_trailers(struct h1_body_in *body, struct bufq *in, struct stream *stream,
                         const struct h1_limits *limits)
{
    size_t bytes = 0;
    int found = h1_scan_queue(&body->trailer_scan, in, limits, &bytes);
    if (found <= 0)
        return found;

    uint32_t cap = body->trailer_scan.lines;
    struct str section = arena_copy(stream->arena, str_slice(bufq_front(in).p, bytes));
    stream->trailers = arena_take(stream->arena, (cap ? cap : 1) * sizeof(struct field));
    if (!section.p || !stream->trailers)
        return -ERR_NO_MEMORY;
    int error = h1_parse_trailers(section, stream->trailers, cap, &stream->trailer_count);
    if (error)
        return error;
    bufq_consume(in, bytes);
    return 1;
}

static int take_chunked(struct h1_body_in *body, struct bufq *in, struct stream *stream, const struct h1_limits *limits)
{
    while (!body->in_trailers) {
        size_t room = body_room(stream);
        struct str front = bufq_front(in);
        if (room == 0 || front.n == 0)
            return 0;
        front.n = smaller(front.n, room);

        size_t used = 0;
        struct str data = STR_NONE;
        int event = h1_chunk_step(&body->chunk, front, &used, &data);
        if (event < 0)
            return event;
        bufq_consume(in, used - data.n);
        if (event == H1_CHUNK_DATA) {
            int error = bufq_move(&stream->body, in, data.n);
            if (error)
                return error;
        } else if (event == H1_CHUNK_LAST) {
            body->in_trailers = true;
            body->trailer_scan.trailers = true;
        }
    }
    return take_trailers(body, in, stream, limits);
}

int h1_body_in_take(struct h1_body_in *body, struct bufq *in, struct stream *stream, const struct h1_limits *limits)
{
    size_t n = smaller(bufq_bytes(in), body_room(stream));
    int error;

    switch ((enum h1_body_kind)body->kind) {
    case H1_BODY_NONE: return 1;
    case H1_BODY_CHUNKED: return take_chunked(body, in, stream, limits);
    case H1_BODY_CLOSE: return bufq_move(&stream->body, in, n);
    case H1_BODY_LENGTH: break;
    }
    n = n < body->left ? n : (size_t)body->left;
    error = bufq_move(&stream->body, in, n);
    if (error)
        return error;
    body->left -= n;
    return body->left == 0;
}

uint64_t h1_body_in_plain(const struct h1_body_in *body)
{
    if (body->kind == H1_BODY_LENGTH)
        return body->left;
    return body->kind == H1_BODY_CLOSE ? UINT64_MAX : 0;
}

bool h1_body_in_spliced(struct h1_body_in *body, size_t n)
{
    if (body->kind != H1_BODY_LENGTH)
        return false;
    ASSERT(n <= body->left);
    body->left -= n;
    return body->left == 0;
}

bool h1_body_out_plain(const struct h1_body_out *body)
{
    return body->kind == H1_BODY_LENGTH || body->kind == H1_BODY_CLOSE;
}

int h1_body_out_spliced(struct h1_body_out *body, size_t n)
{
    if (body->kind != H1_BODY_LENGTH)
        return body->kind == H1_BODY_CLOSE ? 0 : -ERR_INTERNAL;
    if (n > body->left)
        return -ERR_INTERNAL;
    body->left -= n;
    return 0;
}

int h1_body_out_send(struct h1_body_out *body, struct bufq *out, struct bufq *from, size_t n)
{
    char line[H1_CHUNK_HEAD_BYTES];
    int error;

    if (n == 0)
        return 0;
    switch ((enum h1_body_kind)body->kind) {
    case H1_BODY_NONE: return -ERR_INTERNAL;
    case H1_BODY_CLOSE: return bufq_move(out, from, n);
    case H1_BODY_LENGTH:
        if (n > body->left)
            return -ERR_INTERNAL;
        body->left -= n;
        return bufq_move(out, from, n);
    case H1_BODY_CHUNKED: break;
    }
    error = bufq_append(out, line, h1_chunk_head(line, n));
    if (!error)
        error = bufq_move(out, from, n);
    if (!error)
        error = bufq_append(out, "\r\n", 2);
    return error;
}

int h1_body_out_end(struct h1_body_out *body, struct bufq *out, const struct field *trailers, uint32_t count)
{
    if (body->kind == H1_BODY_LENGTH && body->left > 0)
        return -ERR_INTERNAL;
    return body->kind == H1_BODY_CHUNKED ? h1_write_last_chunk(out, trailers, count) : 0;
}
