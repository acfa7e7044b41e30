/* A stream of HTTP/2 as the exchange sees it: heads and bodies to the library, credit back to the peer. Owned by its
 * session, from the room's slab. It may outlive the library's stream of the same number, but never the other way round:
 * the library finds it by number, and does not once it is released. */
#include "http/h2_library.h"

enum { NV_AROUND = 7 }; /* pseudo-header fields, and content-length or the like */

void h2_stream_begin(struct h2_stream *h2s, struct h2_session *h2, int32_t id, struct stream *stream)
{
    *h2s = (struct h2_stream){
        .magic = H2_STREAM_MAGIC, .id = id, .h2 = h2, .stream = stream, .out_left = -1, .promised = -1};
    list_init(&h2s->link);
    list_init(&h2s->leaving);
    bufq_init(&h2s->out, io_buffers(h2->session.conn.io));
    bufq_init(&h2s->last, io_buffers(h2->session.conn.io));
    if (id > 0 && nghttp2_session_set_stream_user_data(h2->library, id, h2s) != 0)
        h2s->closed = true;
    list_append(&h2->streams, &h2s->link);
    h2->stream_count++;
    h2->begun++;
    h2->room->counts.streams++;
    stream->session = &h2->session;
    stream->of_session = h2s;
}

/* Credit for what was taken, and at the end for what never will be. */
static void give_credit(struct h2_stream *h2s, uint64_t taken)
{
    nghttp2_session *library = h2s->h2->library;

    if (taken <= h2s->credited || h2s->h2->dead)
        return;
    size_t n = (size_t)(taken - h2s->credited);
    h2s->credited = taken;
    int error = nghttp2_session_consume_connection(library, n);
    if (!error && !h2s->closed && !h2s->whole)
        error = nghttp2_session_consume_stream(library, h2s->id, n);
    if (error == NGHTTP2_ERR_NOMEM)
        h2_session_die(h2s->h2);
    h2_session_flush(h2s->h2);
}

void h2_stream_release(struct h2_stream *h2s, uint32_t h2_code)
{
    struct h2_session *h2 = h2s->h2;

    give_credit(h2s, h2s->received);
    if (!h2->dead && !h2s->closed && h2s->id > 0) {
        nghttp2_session_set_stream_user_data(h2->library, h2s->id, NULL);
        if (nghttp2_submit_rst_stream(h2->library, NGHTTP2_FLAG_NONE, h2s->id, h2_code) != 0)
            h2->dead = true;
    }
    list_remove(&h2s->leaving);
    list_remove(&h2s->link);
    h2->stream_count--;
    h2s->stream->session = NULL;
    h2s->stream->of_session = NULL;
    bufq_clear(&h2s->out);
    bufq_clear(&h2s->last);
    h2s->magic = 0;
    slab_give(&h2->room->streams, h2s);
    h2->role->set_deadline(h2);
    h2_session_flush(h2);
}

/* Nothing that is sent reaches the peer any more. */
static bool is_gone(const struct h2_stream *h2s)
{
    return h2s->closed || h2s->h2->ending;
}

/* That the peer is gone is told even after another failure: an answer to that one waits to leave. */
void h2_stream_fail(struct h2_stream *h2s, int error)
{
    struct stream *stream = h2s->stream;
    bool gone = error == h2s->h2->role->gone_error && stream->error != error;
    unsigned events = is_gone(h2s) && h2s->out_ended ? STREAM_SENT : 0;

    if (!stream->failed || gone) {
        stream->failed = true;
        stream->error = error;
        events |= STREAM_FAILED;
    }
    if (events)
        stream->notify(stream, events);
}

void h2_stream_note_whole(struct h2_stream *h2s, unsigned events)
{
    struct stream *stream = h2s->stream;

    h2s->whole = true;
    h2s->end_waits = h2s->interim;
    if (bufq_bytes(&h2s->last) > 0) {
        events |= STREAM_BODY;
        if (bufq_move(&stream->body, &h2s->last, bufq_bytes(&h2s->last)) != 0)
            h2_stream_fail(h2s, -ERR_NO_MEMORY);
    }
    if (stream->failed || h2s->end_waits)
        return;
    stream->ended = true;
    stream->notify(stream, events | STREAM_END);
}

bool h2_stream_windows_fit(const struct h2_session *h2)
{
    uint32_t initial = nghttp2_session_get_remote_settings(h2->library, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE);

    LIST_FOREACH (link, &h2->streams) {
        const struct h2_stream *h2s = CONTAINER_OF(link, struct h2_stream, link);
        if (!h2s->closed && !h2_window_fits(initial, h2s->granted, h2s->framed))
            return false;
    }
    return true;
}

/* ---- heads ---- */

static nghttp2_nv nv_of(struct str name, struct str value)
{
    union {
        const char *text;
        uint8_t *bytes;
    } n = {.text = name.p}, v = {.text = value.p ? value.p : ""}; /* the library copies, and lowers the names */

    return (nghttp2_nv){n.bytes, v.bytes, name.n, value.n, NGHTTP2_NV_FLAG_NONE};
}

/* A name that stands as long as the program, and is in lower case. */
static nghttp2_nv nv_named(struct str name, struct str value)
{
    nghttp2_nv nv = nv_of(name, value);

    nv.flags = NGHTTP2_NV_FLAG_NO_COPY_NAME;
    return nv;
}

/* What is never the same again stays out of the library's table of fields, where it would push out what is, and where
 * every other value under its name would be compared with it.
 * without: the value of one that is left out; empty: none is. */
static size_t put_fields(nghttp2_nv *nv, const struct field *fields, uint32_t count, struct str without)
{
    size_t n = 0;

    for (uint32_t i = 0; i < count; i++) {
        if (fields[i].dropped || (without.n > 0 && fields[i].value.p == without.p))
            continue;
        enum field_id id = fields[i].id;
        nv[n] = id == FIELD_OTHER ? nv_of(fields[i].name, fields[i].value)
                                  : nv_named(field_lower_name(id), fields[i].value);
        if (field_flags(id) & FIELD_UNIQUE)
            nv[n].flags |= NGHTTP2_NV_FLAG_NO_INDEX;
        n++;
    }
    return n;
}

static int error_of(int library_error)
{
    if (library_error >= 0)
        return 0;
    return library_error == NGHTTP2_ERR_NOMEM ? -ERR_NO_MEMORY : -ERR_INTERNAL;
}

int h2_library_send_answer(struct h2_stream *h2s, const struct msg *msg, bool bodiless)
{
    nghttp2_session *library = h2s->h2->library;
    nghttp2_nv *nv = arena_take(h2s->stream->arena, (msg->count + NV_AROUND) * sizeof(*nv));
    nghttp2_data_provider body = h2_library_body();
    char status[20], length[20];
    size_t n = 0;

    if (!nv)
        return -ERR_NO_MEMORY;
    if (is_gone(h2s))
        return 0;
    nv[n++] = nv_named(STR(":status"), str_slice(status, str_put_u64(status, msg->status)));
    n += put_fields(nv + n, msg->fields, msg->count, STR_NONE);
    if (msg->length >= 0 && msg->status >= 200 && msg->status != 204)
        nv[n++] = nv_named(STR("content-length"), str_slice(length, str_put_u64(length, (uint64_t)msg->length)));
    if (msg->status < 200)
        return error_of(nghttp2_submit_headers(library, NGHTTP2_FLAG_NONE, h2s->id, NULL, nv, n, NULL));
    return error_of(nghttp2_submit_response(library, h2s->id, nv, n, bodiless ? NULL : &body));
}

int h2_library_send_request(struct h2_stream *h2s, const struct msg *msg, bool bodiless)
{
    struct conn *conn = &h2s->h2->session.conn;
    nghttp2_nv *nv = arena_take(h2s->stream->arena, (msg->count + NV_AROUND) * sizeof(*nv));
    nghttp2_data_provider body = h2_library_body();
    char length[20];
    size_t n = 0;

    if (!nv)
        return -ERR_NO_MEMORY;
    if (is_gone(h2s))
        return 0;
    nv[n++] = nv_named(STR(":method"), h2s->upgrading ? STR("CONNECT") : msg->method_text);
    if (h2s->upgrading)
        nv[n++] = nv_named(STR(":protocol"), STR("websocket"));
    nv[n++] = nv_named(STR(":scheme"), conn_scheme(conn));
    nv[n++] = nv_named(STR(":path"), msg->target);
    if (msg->authority.n > 0)
        nv[n++] = nv_named(STR(":authority"), msg->authority);
    n += put_fields(nv + n, msg->fields, msg->count, h2s->websocket_key);
    if (msg->trailers_wanted)
        nv[n++] = nv_named(STR("te"), STR("trailers"));
    if (msg->body == MSG_BODY_LENGTH && !h2s->upgrading)
        nv[n++] = nv_named(STR("content-length"), str_slice(length, str_put_u64(length, (uint64_t)msg->length)));
    int32_t id = nghttp2_submit_request(h2s->h2->library, NULL, nv, n, bodiless ? NULL : &body, h2s);
    if (id == NGHTTP2_ERR_STREAM_ID_NOT_AVAILABLE)
        return -ERR_STREAM_REFUSED;
    if (id > 0)
        h2s->id = id;
    return error_of(id);
}

int h2_library_send_trailers(struct h2_stream *h2s)
{
    nghttp2_nv *nv = arena_take(h2s->stream->arena, h2s->trailer_count * sizeof(*nv));

    if (!nv)
        return -ERR_NO_MEMORY;
    size_t n = put_fields(nv, h2s->trailers, h2s->trailer_count, STR_NONE);
    return error_of(nghttp2_submit_trailer(h2s->h2->library, h2s->id, nv, n));
}

/* ---- bodies ---- */

static bool has_trailers(const struct h2_stream *h2s)
{
    for (uint32_t i = 0; i < h2s->trailer_count; i++)
        if (!h2s->trailers[i].dropped)
            return true;
    return false;
}

static ssize_t read_body(nghttp2_session *library, int32_t id, uint8_t *buf, size_t n, uint32_t *flags,
                         nghttp2_data_source *source, void *user)
{
    struct h2_stream *h2s = nghttp2_session_get_stream_user_data(library, id);

    if (!h2s)
        return NGHTTP2_ERR_DEFERRED; /* a reset is on its way */
    size_t waiting = bufq_bytes(&h2s->out);
    if (waiting == 0 && !h2s->out_ended) {
        h2s->deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    n = n < waiting ? n : waiting;
    if (n == waiting && h2s->out_ended) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        if (has_trailers(h2s)) {
            *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
            if (h2_library_send_trailers(h2s) != 0)
                return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
        }
    }
    return (ssize_t)n;
}

nghttp2_data_provider h2_library_body(void)
{
    return (nghttp2_data_provider){.read_callback = read_body};
}

/* The body's bytes go behind their frame's head as slices. */
int h2_library_send_data(nghttp2_session *library, nghttp2_frame *frame, const uint8_t *framehd, size_t n,
                         nghttp2_data_source *source, void *user)
{
    enum { FRAME_HEAD_BYTES = 9 };
    struct h2_session *h2 = user;
    struct h2_stream *h2s = nghttp2_session_get_stream_user_data(library, frame->hd.stream_id);
    struct bufq *out = &h2->session.conn.out;

    if (!h2s || bufq_bytes(&h2s->out) < n)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    if (bufq_append(out, framehd, FRAME_HEAD_BYTES) != 0 || bufq_move(out, &h2s->out, n) != 0)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    h2->queued += FRAME_HEAD_BYTES + n;
    h2s->framed += n;
    h2->framed += n;
    if (h2s->wants_room && bufq_bytes(&h2s->out) <= SESSION_OUT_LOW) {
        h2s->wants_room = false;
        h2s->stream->notify(h2s->stream, STREAM_ROOM);
    }
    return bufq_bytes(out) < SESSION_OUT_HIGH ? 0 : NGHTTP2_ERR_PAUSE; /* else all others' would follow at once */
}

static void go_on(struct h2_stream *h2s)
{
    if (h2s->deferred) {
        h2s->deferred = false;
        if (nghttp2_session_resume_data(h2s->h2->library, h2s->id) == NGHTTP2_ERR_NOMEM)
            h2_session_die(h2s->h2);
    }
    h2_session_flush(h2s->h2);
}

int h2_stream_send_body(struct stream *stream, struct bufq *from, size_t n)
{
    struct h2_stream *h2s = h2_stream_of(stream);

    if (h2s->bodiless || (h2s->out_left >= 0 && n > (uint64_t)h2s->out_left))
        return n > 0 ? -ERR_INTERNAL : 0;
    if (h2s->out_left >= 0)
        h2s->out_left -= (int64_t)n;
    if (is_gone(h2s)) {
        bufq_consume(from, n);
        return 0;
    }
    int error = bufq_move(&h2s->out, from, n);
    go_on(h2s);
    return error;
}

int h2_stream_send_end(struct stream *stream, const struct field *trailers, uint32_t count)
{
    struct h2_stream *h2s = h2_stream_of(stream);

    if (h2s->out_left > 0)
        return -ERR_INTERNAL;
    h2s->trailers = trailers;
    h2s->trailer_count = count;
    h2s->out_ended = true;
    if (is_gone(h2s))
        stream->notify(stream, STREAM_SENT);
    else
        go_on(h2s);
    return 0;
}

size_t h2_stream_room(struct stream *stream)
{
    struct h2_stream *h2s = h2_stream_of(stream);
    size_t waiting = bufq_bytes(&h2s->out);

    if (waiting < SESSION_OUT_HIGH)
        return SESSION_OUT_HIGH - waiting;
    h2s->wants_room = true;
    return 0;
}

/* Held up by the peer's credit: what went out under it, of the stream or, where that is what lacks, of all that share
 * the connection. Else by the connection, like all its neighbours. */
uint64_t h2_stream_taken(struct stream *stream, bool settled)
{
    struct h2_stream *h2s = h2_stream_of(stream);
    nghttp2_session *library = h2s->h2->library;
    bool waits = !is_gone(h2s) && bufq_bytes(&h2s->out) > 0;

    if (settled || (waits && nghttp2_session_get_stream_remote_window_size(library, h2s->id) <= 0))
        return h2s->framed;
    if (waits && nghttp2_session_get_remote_window_size(library) <= 0)
        return h2s->h2->framed;
    return conn_taken(&h2s->h2->session.conn, false);
}

void h2_stream_consumed(struct stream *stream)
{
    struct h2_stream *h2s = h2_stream_of(stream);
    uint64_t waiting = bufq_bytes(&stream->body);

    if (waiting < h2s->received)
        give_credit(h2s, h2s->received - waiting);
}
