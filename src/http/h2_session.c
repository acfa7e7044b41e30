/* The life of an HTTP/2 session: what the library tells, what it is told, the end. Owned by a reactor on its thread.
 * The library is called from conn's events and from tasks only; what it calls back sets bits in streams and never
 * closes anything, so that its state is whole whenever somebody else looks. */
#include "http/h2_session.h"

#include "http/h2_head.h"
#include "http/h2_library.h"

static struct h2_stream *stream_of_id(struct h2_session *h2, int32_t id)
{
    return id > 0 ? nghttp2_session_get_stream_user_data(h2->library, id) : NULL;
}

static void note_sent(struct h2_stream *h2s)
{
    h2s->stream->unsent = false;
    h2s->stream->notify(h2s->stream, STREAM_SENT);
}

/* Whatever is missing of a stream that has ended, it fails with: 0, or the code. */
static int fail_as_ended(struct h2_stream *h2s, uint32_t h2_code)
{
    int error = h2s->h2->role->end_error(h2s, h2_code);

    if (error)
        h2_stream_fail(h2s, error);
    else if (h2s->stream->unsent)
        note_sent(h2s);
    return error;
}

static void fail_all(struct h2_session *h2, uint32_t h2_code)
{
    LIST_FOREACH (link, &h2->streams)
        fail_as_ended(CONTAINER_OF(link, struct h2_stream, link), h2_code);
}

/* ---- the guard ---- */

void h2_session_punish(struct h2_session *h2, uint32_t h2_code)
{
    if (h2->ending && h2->dead)
        return;
    h2->ending = true;
    if (nghttp2_session_terminate_session(h2->library, h2_code) != 0)
        h2->dead = true;
    fail_all(h2, H2_BROKEN);
    h2_session_flush(h2);
}

static void note_error(struct h2_session *h2, uint32_t h2_code)
{
    if (h2->ending)
        return;
    h2->room->counts.errors++;
    h2_session_punish(h2, h2_code);
}

static void note_flood(struct h2_session *h2, enum h2_flood kind)
{
    if (h2->ending || h2_bucket_note(&h2->floods[kind], h2->floods_most[kind], io_now_ms(h2->session.conn.io)))
        return;
    h2->room->counts.floods[kind]++;
    h2_session_punish(h2, H2_ENHANCE_YOUR_CALM);
}

static void note_endless_head(struct h2_session *h2)
{
    if (h2->ending)
        return;
    h2->room->counts.floods[H2_FLOOD_HEADS]++;
    h2_block_end(&h2->block);
    h2->block_of = 0;
    h2_session_punish(h2, H2_ENHANCE_YOUR_CALM);
}

/* ---- what the library tells ---- */

static bool is_numbered_wrong(struct h2_session *h2, const nghttp2_frame_hd *hd)
{
    return hd->type == NGHTTP2_HEADERS && nghttp2_session_check_server_session(h2->library) &&
           !h2_numbers_note(&h2->numbers, (uint32_t)hd->stream_id);
}

/* Of a request that was, and is not any more. */
static bool is_late(struct h2_session *h2, const nghttp2_frame_hd *hd)
{
    bool of_request = hd->type == NGHTTP2_HEADERS || hd->type == NGHTTP2_RST_STREAM;

    return of_request && nghttp2_session_check_server_session(h2->library) &&
           (uint32_t)hd->stream_id <= h2->numbers.highest &&
           nghttp2_session_get_stream_local_close(h2->library, hd->stream_id) < 0;
}

static int on_begin_frame(nghttp2_session *library, const nghttp2_frame_hd *hd, void *user)
{
    struct h2_session *h2 = user;
    bool ends = (hd->type == NGHTTP2_DATA || hd->type == NGHTTP2_HEADERS) && (hd->flags & NGHTTP2_FLAG_END_STREAM);
    bool acknowledges = (hd->type == NGHTTP2_SETTINGS || hd->type == NGHTTP2_PING) && (hd->flags & NGHTTP2_FLAG_ACK);
    bool late = is_late(h2, hd);
    uint32_t error = h2_frame_error(
        (struct h2_frame){.type = hd->type, .length = (uint32_t)hd->length, .id = (uint32_t)hd->stream_id});

    if (error || is_numbered_wrong(h2, hd))
        note_error(h2, error ? error : H2_PROTOCOL_ERROR);
    switch (hd->type) {
    case NGHTTP2_HEADERS:
    case NGHTTP2_RST_STREAM:
        if (late)
            note_flood(h2, H2_FLOOD_CONTROL);
        break;
    case NGHTTP2_PUSH_PROMISE: break;
    case NGHTTP2_DATA:
    case NGHTTP2_CONTINUATION:
        if (hd->length == 0 && !ends)
            note_flood(h2, H2_FLOOD_EMPTY);
        break;
    default:
        if (!acknowledges)
            note_flood(h2, H2_FLOOD_CONTROL);
        break;
    }
    return 0;
}

/* Without a word of the client's (RFC 9218 section 4.2) its answers would come one after the other, and one without
 * end would be the last. */
static int share_evenly(nghttp2_session *library, int32_t id)
{
    const nghttp2_extpri beside = {.urgency = NGHTTP2_EXTPRI_DEFAULT_URGENCY, .inc = 1};

    return nghttp2_session_change_extpri_stream_priority(library, id, &beside, 0) ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

static int on_begin_headers(nghttp2_session *library, const nghttp2_frame *frame, void *user)
{
    struct h2_session *h2 = user;

    h2_block_end(&h2->block);
    h2->block_of = frame->hd.stream_id;
    h2->role->set_deadline(h2);
    return frame->headers.cat == NGHTTP2_HCAT_REQUEST ? share_evenly(library, frame->hd.stream_id) : 0;
}

static int on_header(nghttp2_session *library, const nghttp2_frame *frame, const uint8_t *name, size_t name_n,
                     const uint8_t *value, size_t value_n, uint8_t flags, void *user)
{
    struct h2_session *h2 = user;

    h2_block_add(&h2->block, io_buffers(h2->session.conn.io), h2->limits, str_slice((const char *)name, name_n),
                 str_slice((const char *)value, value_n));
    if (!h2_block_is_flood(&h2->block, h2->limits))
        return 0;
    note_endless_head(h2);
    return NGHTTP2_ERR_PAUSE; /* the rest is not unpacked */
}

/* RFC 9113 section 8.2.1: a malformed field makes the message malformed; it is not left out. */
static int on_invalid_header(nghttp2_session *library, const nghttp2_frame *frame, nghttp2_rcbuf *name,
                             nghttp2_rcbuf *value, uint8_t flags, void *user)
{
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

/* The bytes lie in conn->in; they go on as a slice of the same chunk, or are copied where they are few. */
static int keep_data(struct h2_session *h2, struct bufq *to, const char *bytes, size_t n)
{
    struct buf *buf = bufq_front_buf(&h2->session.conn.in);
    bool inside = buf && bytes >= buf->data && bytes + n <= buf->data + buf->used;

    if (n <= BUFQ_JOIN_BYTES || !inside)
        return bufq_append(to, bytes, n);
    return bufq_push(to, buf, (size_t)(bytes - buf->data), n);
}

static int on_data(nghttp2_session *library, uint8_t flags, int32_t id, const uint8_t *bytes, size_t n, void *user)
{
    struct h2_session *h2 = user;
    struct h2_stream *h2s = stream_of_id(h2, id);

    if (!h2s || h2s->stream->failed) {
        int error = nghttp2_session_consume(library, id, n);
        return error == NGHTTP2_ERR_NOMEM ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
    }
    h2s->received += n;
    bool last = h2s->promised >= 0 && h2s->received >= (uint64_t)h2s->promised;
    int error = keep_data(h2, last ? &h2s->last : &h2s->stream->body, (const char *)bytes, n);
    if (!error)
        error = h2->role->on_body(h2, h2s);
    if (error)
        h2_stream_fail(h2s, error);
    else if (!last)
        h2s->stream->notify(h2s->stream, STREAM_BODY);
    return 0;
}

static void take_block(struct h2_session *h2, int32_t id, bool ended)
{
    h2->role->on_head(h2, id, stream_of_id(h2, id), ended);
    h2_block_end(&h2->block);
    h2->block_of = 0;
    h2->role->set_deadline(h2);
}

/* The peer was told of the end, and not yet of the last stream. */
static bool is_noticed(const struct h2_session *h2)
{
    return h2->draining && !h2->drained && !h2->ending;
}

static int name_last(struct h2_session *h2)
{
    int32_t last = nghttp2_session_get_last_proc_stream_id(h2->library);

    h2->drained = true;
    return nghttp2_submit_goaway(h2->library, 0, last, H2_NO_ERROR, NULL, 0) ? -ERR_NO_MEMORY : 0;
}

/* A tunnel is not silent as long as its reader takes what waits. */
static void tell_taken(struct h2_stream *h2s)
{
    if (h2s->tunnel && bufq_bytes(&h2s->out) > 0)
        h2s->stream->notify(h2s->stream, STREAM_ROOM);
}

static void note_credit(struct h2_session *h2, int32_t id, int32_t bytes)
{
    struct h2_stream *h2s = stream_of_id(h2, id);

    if (h2s) {
        h2s->granted += (uint64_t)bytes;
        tell_taken(h2s);
    }
    if (id > 0)
        return;
    LIST_FOREACH (link, &h2->streams)
        tell_taken(CONTAINER_OF(link, struct h2_stream, link));
}

static int on_frame_recv(nghttp2_session *library, const nghttp2_frame *frame, void *user)
{
    struct h2_session *h2 = user;
    bool ended = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
    struct h2_stream *h2s;

    switch (frame->hd.type) {
    case NGHTTP2_HEADERS: take_block(h2, frame->hd.stream_id, ended); break;
    case NGHTTP2_DATA:
        if (frame->data.padlen > 0 && frame->data.padlen == frame->hd.length && !ended)
            note_flood(h2, H2_FLOOD_EMPTY);
        h2s = ended ? stream_of_id(h2, frame->hd.stream_id) : NULL;
        if (h2s)
            h2_stream_note_whole(h2s, 0);
        break;
    case NGHTTP2_RST_STREAM:
        h2->reset_of = frame->hd.stream_id;
        h2s = stream_of_id(h2, frame->hd.stream_id);
        if (h2s)
            h2s->peer_reset = true;
        break;
    case NGHTTP2_GOAWAY:
        h2->room->counts.goaways += !h2->peer_left;
        h2->peer_left = true;
        break;
    case NGHTTP2_SETTINGS:
        h2->greeted = true;
        if (!h2_stream_windows_fit(h2)) /* RFC 9113 section 6.9.2: the library ends the stream alone */
            note_error(h2, H2_FLOW_CONTROL_ERROR);
        break;
    case NGHTTP2_WINDOW_UPDATE: note_credit(h2, frame->hd.stream_id, frame->window_update.window_size_increment); break;
    case NGHTTP2_PING:
        if (is_noticed(h2) && (frame->hd.flags & NGHTTP2_FLAG_ACK) && name_last(h2) != 0)
            return NGHTTP2_ERR_CALLBACK_FAILURE;
        break;
    default: break;
    }
    return 0;
}

static int on_frame_send(nghttp2_session *library, const nghttp2_frame *frame, void *user)
{
    struct h2_session *h2 = user;

    /* Only now: the library sends PING before all that waits, and its answer is to mean that the notice was seen. */
    if (frame->hd.type == NGHTTP2_GOAWAY && is_noticed(h2) &&
        nghttp2_submit_ping(library, NGHTTP2_FLAG_NONE, NULL) != 0)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    if (frame->hd.type == NGHTTP2_DATA)
        h2_bucket_credit(&h2->floods[H2_FLOOD_CONTROL], 2); /* one update for the stream, one for the connection */
    if (frame->hd.type != NGHTTP2_DATA && frame->hd.type != NGHTTP2_HEADERS)
        return 0;
    struct h2_stream *h2s = stream_of_id(h2, frame->hd.stream_id);
    if (!h2s)
        return 0;
    h2s->stream->sent_bytes = true;
    if (!(frame->hd.flags & NGHTTP2_FLAG_END_STREAM) || h2s->out_framed)
        return 0;
    h2s->out_framed = true;
    h2s->leaves_at = h2->queued;
    if (h2->role->tells_sent || h2s->stream->unsent)
        list_append(&h2->leaving, &h2s->leaving);
    return 0;
}

/* By a client that wants its answer no more, or that has left no choice; what is given up here for another reason
 * (these three codes say so) is not its doing. */
static bool is_given_up(const struct h2_session *h2, int32_t id, const struct h2_stream *h2s, uint32_t h2_code)
{
    bool ours = h2_code == H2_NO_ERROR || h2_code == H2_REFUSED_STREAM || h2_code == H2_INTERNAL_ERROR;

    return (!h2s || !h2s->out_framed) && (h2->reset_of == id || !ours);
}

static int on_stream_close(nghttp2_session *library, int32_t id, uint32_t h2_code, void *user)
{
    struct h2_session *h2 = user;
    struct h2_stream *h2s = stream_of_id(h2, id);

    if (h2->block_of == id) { /* its head was malformed */
        h2_block_end(&h2->block);
        h2->block_of = 0;
        h2->role->set_deadline(h2);
    }
    if (nghttp2_session_check_server_session(library) && is_given_up(h2, id, h2s, h2_code))
        note_flood(h2, H2_FLOOD_RESETS);
    if (!h2s)
        return 0;
    h2s->closed = true;
    int error = fail_as_ended(h2s, h2_code);
    h2->room->counts.streams_refused += error == -ERR_STREAM_REFUSED;
    h2->room->counts.streams_reset += error && error != -ERR_STREAM_REFUSED;
    return 0;
}

/* A stream above the limit never was one, and is not closed either; a client may ask for as many as it likes while it
 * does not acknowledge the limit. */
static int on_invalid_frame(nghttp2_session *library, const nghttp2_frame *frame, int error, void *user)
{
    if (error == NGHTTP2_ERR_REFUSED_STREAM)
        note_flood(user, H2_FLOOD_RESETS);
    return 0;
}

/* Frames of types that nobody knows (RFC 9113 section 5.5) are told of only where somebody wants to read them. */
static int on_unknown_frame(nghttp2_session *library, void **payload, const nghttp2_frame_hd *hd, void *user)
{
    return NGHTTP2_ERR_CANCEL;
}

void h2_library_set_callbacks(nghttp2_session_callbacks *callbacks)
{
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, on_invalid_frame);
    nghttp2_session_callbacks_set_unpack_extension_callback(callbacks, on_unknown_frame);
    nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, on_begin_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_invalid_header_callback2(callbacks, on_invalid_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame_recv);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_send);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_session_callbacks_set_send_data_callback(callbacks, h2_library_send_data);
}

/* ---- bytes ---- */

/* The library gave up, without a word to the peer: say it for it. */
static void note_broken(struct h2_session *h2, ssize_t result)
{
    if (h2->starved) {
        h2_session_die(h2);
        return;
    }
    if (result == NGHTTP2_ERR_TOO_MANY_CONTINUATIONS)
        h2->room->counts.floods[H2_FLOOD_HEADS]++;
    else if (result == NGHTTP2_ERR_FLOODED)
        h2->room->counts.floods[H2_FLOOD_CONTROL]++;
    else
        h2->room->counts.errors++;
    bool flood = result == NGHTTP2_ERR_TOO_MANY_CONTINUATIONS || result == NGHTTP2_ERR_FLOODED;
    h2_session_punish(h2, flood ? H2_ENHANCE_YOUR_CALM : H2_PROTOCOL_ERROR);
}

void h2_session_take(struct h2_session *h2)
{
    struct bufq *in = &h2->session.conn.in;

    while (bufq_bytes(in) > 0 && !h2->dead) {
        struct str front = bufq_front(in);
        ssize_t taken = nghttp2_session_mem_recv(h2->library, (const uint8_t *)front.p, front.n);
        if (taken < 0) {
            note_broken(h2, taken);
            break;
        }
        bufq_consume(in, front.n); /* what the library leaves is behind its end */
        if ((size_t)taken < front.n || h2->ending)
            break;
    }
    if (h2->ending || h2->dead)
        bufq_clear(in);
    h2_session_flush(h2);
}

static void note_left(struct h2_session *h2)
{
    uint64_t left = h2->queued - bufq_bytes(&h2->session.conn.out);

    while (!list_empty(&h2->leaving)) {
        struct h2_stream *h2s = CONTAINER_OF(h2->leaving.next, struct h2_stream, leaving);
        if (h2s->leaves_at > left)
            return;
        list_remove(&h2s->leaving);
        note_sent(h2s);
    }
}

/* The last words are few, and waiting for room they would wait for a peer that may read nothing any more: from
 * conn->out they leave in a linger's time, or never. */
static bool has_room(const struct h2_session *h2)
{
    return bufq_bytes(&h2->session.conn.out) < SESSION_OUT_HIGH || (h2->ending && h2->stream_count == 0);
}

/* 0, or -ERR_NO_MEMORY: the library's state is lost. */
static int fill_out(struct h2_session *h2)
{
    struct bufq *out = &h2->session.conn.out;

    while (!h2->starved && has_room(h2)) {
        const uint8_t *bytes;
        ssize_t n = nghttp2_session_mem_send(h2->library, &bytes);
        if (n < 0)
            return -ERR_NO_MEMORY;
        if (n == 0)
            break;
        int error = bufq_append(out, bytes, (size_t)n);
        if (error)
            return error;
        h2->queued += (uint64_t)n;
    }
    h2->held_back = bufq_bytes(out) >= SESSION_OUT_HIGH;
    return h2->starved ? -ERR_NO_MEMORY : 0;
}

void h2_session_frame(struct h2_session *h2)
{
    if (!h2->dead && fill_out(h2) != 0)
        h2_session_die(h2);
}

/* The library has said goodbye by itself: one of the sides had, and its last stream is closed, or the peer broke a
 * rule. Closed streams are as good as they ever were: their last bytes may wait in conn->out. */
static void note_silent(struct h2_session *h2)
{
    bool broken = !h2->dead && !h2->peer_left && !h2->drained;

    h2->ending = true;
    h2->room->counts.errors += broken;
    LIST_FOREACH (link, &h2->streams) {
        struct h2_stream *h2s = CONTAINER_OF(link, struct h2_stream, link);
        if (!h2s->closed)
            fail_as_ended(h2s, h2->peer_left ? H2_NO_ERROR : H2_BROKEN);
    }
}

static void end_if_over(struct h2_session *h2)
{
    bool silent = h2->dead || (!nghttp2_session_want_read(h2->library) && !nghttp2_session_want_write(h2->library));

    if (silent && !h2->ending)
        note_silent(h2);
    if (h2->stream_count > 0)
        return;
    if (silent)
        h2->role->on_over(h2);
    else if (h2->draining && h2->drained && !h2->ending && !h2->block_of)
        h2_session_goodbye(h2);
}

static void on_pump(struct io_task *task)
{
    struct h2_session *h2 = CONTAINER_OF(task, struct h2_session, pump);

    h2_session_frame(h2);
    if (bufq_bytes(&h2->session.conn.out) > 0)
        conn_flush(&h2->session.conn);
    note_left(h2);
    end_if_over(h2);
}

void h2_session_flush(struct h2_session *h2)
{
    struct io *io = h2->session.conn.io;

    if (!h2->ending && !h2->dead) {
        io_task_queue_late(io, &h2->pump);
        return;
    }
    io_task_cancel(&h2->pump); /* it may be late */
    io_task_queue(io, &h2->pump);
}

void h2_session_note_sent(struct h2_session *h2)
{
    note_left(h2);
    if (h2->held_back && bufq_bytes(&h2->session.conn.out) <= SESSION_OUT_LOW)
        h2_session_flush(h2);
}

/* ---- life ---- */

void h2_session_die(struct h2_session *h2)
{
    h2->dead = true;
    h2->ending = true;
    fail_all(h2, H2_LOST);
    h2_session_flush(h2);
}

void h2_session_goodbye(struct h2_session *h2)
{
    h2->draining = true;
    h2->drained = true;
    h2->ending = true;
    /* First what waits: once it is to end, the library says nothing of a stream any more. */
    if (!h2->dead && (fill_out(h2) != 0 || nghttp2_session_terminate_session(h2->library, H2_NO_ERROR) != 0))
        h2->dead = true;
    h2_session_flush(h2);
}

void h2_session_retire(struct h2_session *h2)
{
    if (h2->draining || h2->ending)
        return;
    h2->draining = true;
    h2->notice_ends_ms = io_now_ms(h2->session.conn.io) + H2_NOTICE_MS;
    if (nghttp2_submit_shutdown_notice(h2->library) != 0)
        h2_session_die(h2);
    h2_session_flush(h2);
}

int64_t h2_session_notice_ends_ms(const struct h2_session *h2)
{
    return is_noticed(h2) ? h2->notice_ends_ms : TIMER_NEVER;
}

void h2_session_note_unseen(struct h2_session *h2)
{
    if (h2->ending || io_now_ms(h2->session.conn.io) < h2_session_notice_ends_ms(h2))
        return;
    if (h2->stream_count == 0 && !h2->block_of)
        h2_session_goodbye(h2);
    else if (name_last(h2) != 0)
        h2_session_die(h2);
    h2_session_flush(h2);
}

void h2_session_drain(struct h2_session *h2)
{
    if (h2->stream_count == 0 && !h2->ending)
        h2_session_goodbye(h2);
    else
        h2_session_retire(h2);
}

/* A client whose uploads nobody reads holds itself up; a worker's connection carries answers for many clients. */
static int submit_settings(struct h2_session *h2, bool server, uint32_t streams_max, bool tunnels)
{
    int32_t window = server ? H2_SESSION_WINDOW : (int32_t)(streams_max * H2_STREAM_WINDOW);
    nghttp2_settings_entry entries[] = {
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, H2_STREAM_WINDOW},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, h2->limits->head_bytes},
        {server ? NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS : NGHTTP2_SETTINGS_ENABLE_PUSH, server ? streams_max : 0},
        {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
        {NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1},
    };
    size_t count = !server ? 3 : tunnels ? ARRAY_SIZE(entries) : ARRAY_SIZE(entries) - 1;
    int error = nghttp2_submit_settings(h2->library, NGHTTP2_FLAG_NONE, entries, count);

    if (!error)
        error = nghttp2_session_set_local_window_size(h2->library, NGHTTP2_FLAG_NONE, 0, window);
    return error ? -ERR_NO_MEMORY : 0;
}

int h2_session_init(struct h2_session *h2, const struct h2_role *role, struct h2_room *room,
                    const struct h1_limits *limits, const uint32_t floods_most[H2_FLOODS], bool server,
                    uint32_t streams_max, bool tunnels)
{
    struct h2_library *library = h2_library_of(room);
    nghttp2_mem memory = h2_library_memory(h2);
    int error = library ? 0 : -ERR_NO_MEMORY;

    memset((char *)h2 + sizeof(h2->session), 0, sizeof(*h2) - sizeof(h2->session));
    h2->role = role;
    h2->room = room;
    h2->limits = limits;
    h2->floods_most = floods_most;
    list_init(&h2->pieces);
    list_init(&h2->streams);
    list_init(&h2->leaving);
    io_task_init(&h2->pump, on_pump);
    if (!error && server)
        error = nghttp2_session_server_new3(&h2->library, library->callbacks, h2, library->option, &memory);
    else if (!error)
        error = nghttp2_session_client_new3(&h2->library, library->callbacks, h2, library->option, &memory);
    if (!error)
        error = submit_settings(h2, server, streams_max, tunnels);
    if (error) {
        h2_library_end(h2);
        return -ERR_NO_MEMORY;
    }
    room->counts.sessions++;
    h2_session_flush(h2);
    return 0;
}

void h2_session_fini(struct h2_session *h2)
{
    ASSERT(h2->stream_count == 0);
    io_task_cancel(&h2->pump);
    h2_block_end(&h2->block);
    h2_library_end(h2);
}
