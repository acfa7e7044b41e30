/* Shared by the tests of the floors balance and proxy; linked into each. */
#include "scripted_worker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

static const char usual_answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/* Where `what` begins in text, or text.n. */
static size_t find(struct str text, const char *what)
{
    size_t n = strlen(what);
    for (size_t i = 0; i + n <= text.n; i++)
        if (memcmp(text.p + i, what, n) == 0)
            return i;
    return text.n;
}

/* Length of the whole request at the front, or 0. Ballast writes field names as they came: tests spell them so. */
static size_t whole_request(struct str text)
{
    size_t head = find(text, "\r\n\r\n") + 4;
    if (head > text.n)
        return 0;
    struct str fields = str_slice(text.p, head);
    if (find(fields, "Transfer-Encoding: chunked") < fields.n) {
        struct str body = str_slice(text.p + head - 2, text.n - head + 2);
        size_t last = find(body, "\r\n0\r\n");
        if (last == body.n)
            return 0;
        /* The last chunk's line end may be the first half of the end, when no trailers come. */
        struct str rest = str_slice(body.p + last + 3, body.n - last - 3);
        size_t end = (size_t)(rest.p - text.p) + find(rest, "\r\n\r\n") + 4;
        return end > text.n ? 0 : end;
    }
    size_t length = find(fields, "Content-Length: ");
    uint64_t n = 0;
    if (length < fields.n) {
        struct str rest = str_slice(fields.p + length + 16, fields.n - length - 16);
        assert_int_equal(str_parse_u64(str_slice(rest.p, str_find(rest, '\r')), 1 << 30, &n), 0);
    }
    return head + n > text.n ? 0 : head + (size_t)n;
}

static void keep_last(struct scripted_worker *worker, struct str request)
{
    size_t n = request.n < SCRIPTED_REQUEST_BYTES ? request.n : SCRIPTED_REQUEST_BYTES - 1;
    memcpy(worker->last, request.p, n);
    worker->last[n] = '\0';
}

static void on_event(struct io_sim_peer *peer, void *context)
{
    struct scripted_conn *conn = context;
    struct scripted_worker *worker = conn->worker;
    size_t n;

    while ((n = whole_request(io_sim_peer_received(peer))) > 0) {
        keep_last(worker, str_slice(io_sim_peer_received(peer).p, n));
        io_sim_peer_take(peer, n);
        conn->requests++;
        worker->requests++;
        if (conn < worker->conns + worker->dead_below) {
            io_sim_peer_close(&conn->peer, worker->dead_reset);
            return;
        }
        if (!worker->answer)
            continue;
        io_sim_peer_send(peer, worker->answer, strlen(worker->answer));
        if (!worker->close_after)
            continue;
        io_sim_peer_shutdown(peer);
        return;
    }
}

static void on_accept(struct io_sim_peer *peer, void *context)
{
    struct scripted_worker *worker = context;
    assert_true(worker->accepted < SCRIPTED_CONNS);
    struct scripted_conn *conn = &worker->conns[worker->accepted++];
    *conn = (struct scripted_conn){.worker = worker, .peer = peer};
    io_sim_peer_on_event(peer, on_event, conn);
}

void scripted_worker_start(struct scripted_worker *worker, struct io_sim_net *net)
{
    *worker = (struct scripted_worker){.net = net, .address = io_sim_address(net), .answer = usual_answer};
    worker->last = calloc(1, SCRIPTED_REQUEST_BYTES);
    assert_non_null(worker->last);
    scripted_worker_listen(worker);
}

void scripted_worker_listen(struct scripted_worker *worker)
{
    worker->listener = io_sim_peer_listen(worker->net, &worker->address, on_accept, worker);
}

void scripted_worker_refuse(struct scripted_worker *worker)
{
    io_sim_peer_unlisten(worker->net, worker->listener);
    worker->listener = -1;
}

void scripted_worker_close(struct scripted_worker *worker, uint32_t conn, bool reset)
{
    assert_true(conn < worker->accepted && worker->conns[conn].peer);
    io_sim_peer_close(&worker->conns[conn].peer, reset);
}

struct scripted_conn *scripted_worker_newest(struct scripted_worker *worker)
{
    assert_true(worker->accepted > 0);
    return &worker->conns[worker->accepted - 1];
}

void scripted_worker_send(struct scripted_worker *worker, const char *text)
{
    io_sim_peer_send(scripted_worker_newest(worker)->peer, text, strlen(text));
}

uint32_t scripted_worker_open(const struct scripted_worker *worker)
{
    uint32_t open = 0;
    for (uint32_t i = 0; i < worker->accepted; i++)
        open += worker->conns[i].peer && io_sim_peer_state(worker->conns[i].peer) == IO_SIM_PEER_OPEN;
    return open;
}

void scripted_worker_stop(struct scripted_worker *worker)
{
    if (worker->listener >= 0)
        scripted_worker_refuse(worker);
    for (uint32_t i = 0; i < worker->accepted; i++)
        if (worker->conns[i].peer)
            io_sim_peer_close(&worker->conns[i].peer, false);
    free(worker->last);
    worker->last = NULL;
}
