/* The life of one connection, as a loop over small steps: each phase has one function that does what it can and says
 * whether the next phase may go on at once. Everything happens inside the loop's turn, on the one thread.
 *
 * Not callbacks from phase to phase: pipelined requests would nest them.
 */
#include "worker/client.h"

#include "base/err.h"
#include "http/h1_write.h"
#include "worker/shop.h"

enum {
    IN_MAX = 262144,  /* reading stops at so many unread bytes */
    OUT_MAX = 262144, /* making the body stops at so many unsent bytes */
    LINGER_MS = 1000, /* a peer has so long to close after us */
    SLOW_PIECES = 20  /* a slow body goes out in so many pieces a second */
};

static const struct h1_limits limits = {.head_bytes = 65536, .fields = 128, .target_bytes = 32768};
enum { FIELDS_CAP = 160 };

static void client_timer_set(struct client *client, int64_t in_ms)
{
    struct io *io = client->port->service->io;
    io_timer_set(io, &client->timer, io_now_ms(io) + in_ms);
}

static void client_reap(struct io_reap *reap)
{
    struct client *client = CONTAINER_OF(reap, struct client, reap);
    slab_give(&client->port->service->clients, client);
}

static void client_on_closed(struct io_op *op)
{
    struct client *client = CONTAINER_OF(op, struct client, close);
    bufq_clear(&client->in);
    bufq_clear(&client->out);
    body_clear(&client->body);
    list_remove(&client->link);
    client->reap.reap = client_reap;
    io_reap_queue(client->port->service->io, &client->reap);
}

static void client_close(struct client *client, bool reset)
{
    if (client->phase == CLIENT_CLOSED)
        return;
    client->phase = CLIENT_CLOSED;
    io_timer_fini(client->port->service->io, &client->timer);
    client->close.done = client_on_closed;
    io_close(&client->sock, &client->close, reset);
}

void client_stop(struct client *client)
{
    client_close(client, false);
}

/* Out of memory is the only way that writing to a queue fails: the connection is given up. */
static bool client_checked(struct client *client, int result)
{
    if (result < 0)
        client_close(client, true);
    return result == 0;
}

/* What the text of a planned answer says, as far as it is known from the head. */
static int client_compose(struct client *client, const struct msg *request, struct str head)
{
    struct bufq *text = &client->body.text;
    struct port *port = client->port;
    char number[20];
    struct str pieces[] = {
        STR("worker "), port->name,           STR(" on port "), str_slice(number, str_put_u64(number, port->number)),
        STR(": "),      request->method_text, STR(" "),         request->target,
        STR("\n")};
    int result = 0;
    if (client->plan.body == PLAN_HEALTH)
        return bufq_push_static(text, client->plan.status == 200 ? STR("ok\n") : STR("not ok\n"));
    if (client->plan.body == PLAN_HEAD)
        return bufq_append(text, head.p, head.n);
    if (client->plan.body != PLAN_WHO)
        return 0;
    for (size_t i = 0; i < ARRAY_SIZE(pieces) && result == 0; i++)
        result = bufq_append(text, pieces[i].p, pieces[i].n);
    return result;
}

static int client_compose_count(struct client *client)
{
    char line[40] = "got ";
    size_t n = 4 + str_put_u64(line + 4, client->intake.bytes);
    memcpy(line + n, " bytes\n", 7);
    return bufq_append(&client->body.text, line, n + 7);
}

static void client_phase(struct client *client, enum client_phase phase)
{
    client->phase = phase;
    client->waiting = false;
}

/* The request cannot be understood: says so and ends the connection. */
static bool client_refuse(struct client *client, int code)
{
    if (client->begun) {
        client_close(client, true);
        return false;
    }
    body_clear(&client->body);
    bufq_clear(&client->in);
    client->intake = (struct intake){.state = INTAKE_DONE};
    plan_make_error(code, &client->plan);
    client_phase(client, CLIENT_ANSWER);
    return client_checked(client, bufq_push_static(&client->body.text, str_of(err_sentence(code)))) &&
           client_checked(client, bufq_push_static(&client->body.text, STR("\n")));
}

static enum client_phase client_first_phase(const struct client *client)
{
    if (client->plan.body == PLAN_SILENCE)
        return CLIENT_SILENT;
    return client->plan.body == PLAN_ECHO || client->plan.early ? CLIENT_DELAY : CLIENT_INTAKE;
}

/* A whole head stands at the front of the queue. */
static bool client_begin(struct client *client, struct str head)
{
    struct field fields[FIELDS_CAP];
    struct h1_head request;
    struct service *service = client->port->service;
    timer_stop(&client->timer);
    int result = h1_parse_request(head, &limits, fields, FIELDS_CAP, &request);
    if (result < 0)
        return client_refuse(client, result);
    plan_make(service->settings, &request, client->answers, service->health_status, &client->plan);
    intake_init(&client->intake, &request);
    client->begun = false;
    client->scan = (struct h1_scan){.at = 0};
    client->echo_length = request.msg.body == MSG_BODY_LENGTH ? request.msg.length : 0;
    if (!client_checked(client, client_compose(client, &request.msg, head)))
        return false;
    client->old_peer = request.msg.minor == 0;
    client->counts = client->plan.body == PLAN_WHO && !client->plan.early &&
                     (request.msg.method == METHOD_POST || client->intake.state != INTAKE_DONE);
    bufq_consume(&client->in, head.n);
    client_phase(client, client_first_phase(client));
    if (request.msg.expect_continue && !client->plan.early && client->plan.body != PLAN_SILENCE)
        return client_checked(client, bufq_push_static(&client->out, STR("HTTP/1.1 100 Continue\r\n\r\n")));
    return true;
}

static bool client_step_head(struct client *client)
{
    size_t n = 0;
    int64_t idle_ms = client->port->service->settings->keep_alive_ms;
    if (bufq_bytes(&client->out) >= OUT_MAX)
        return false;
    if (bufq_bytes(&client->in) > 0) {
        struct str front = intake_front(&client->in, &limits);
        int found = front.p == NULL ? -ERR_NO_MEMORY : h1_scan(&client->scan, front.p, front.n, &limits, &n);
        if (found < 0)
            return client_refuse(client, found);
        if (found > 0)
            return client_begin(client, str_slice(front.p, n));
    }
    if (client->ended)
        client_phase(client, CLIENT_LINGER);
    else if (idle_ms > 0)
        client_timer_set(client, idle_ms);
    return client->ended;
}

static bool client_step_silent(struct client *client)
{
    bufq_clear(&client->in);
    if (client->ended)
        client_close(client, false);
    return false;
}

/* The answer is complete in the queue (or, with an early one, the request's body is read at last). */
static bool client_finish(struct client *client)
{
    body_clear(&client->body);
    client->answers++;
    client_phase(client, client->plan.close ? CLIENT_LINGER : CLIENT_HEAD);
    return true;
}

static bool client_step_intake(struct client *client)
{
    int result = intake_step(&client->intake, &client->in, NULL, 0, &limits);
    if (result < 0)
        return client_refuse(client, result);
    if (result == 0) {
        if (client->ended)
            client_close(client, false);
        return false;
    }
    if (client->begun)
        return client_finish(client);
    client_phase(client, CLIENT_DELAY);
    return !client->counts || client_checked(client, client_compose_count(client));
}

static bool client_step_delay(struct client *client)
{
    if (client->waiting)
        return false;
    if (client->plan.delay_ms > 0) {
        client_timer_set(client, client->plan.delay_ms + 1); /* the loop's clock may be a part of 1 ms behind */
        client->plan.delay_ms = 0;
        client->waiting = true;
        return false;
    }
    client_phase(client, client->plan.body == PLAN_ECHO ? CLIENT_ECHO : CLIENT_ANSWER);
    return true;
}

static struct h1_framing client_framing(const struct client *client)
{
    const struct plan *plan = &client->plan;
    struct h1_framing framing = {.length = -1, .connection = H1_CONNECTION_SILENT};
    if (plan->status != 204 && plan->status != 304) {
        framing.chunked = plan->chunked;
        if (!plan->chunked && !plan->until_close)
            framing.length = plan->body == PLAN_ECHO ? client->echo_length : client->body.left;
    }
    if (plan->close)
        framing.connection = H1_CONNECTION_CLOSE;
    else if (client->old_peer)
        framing.connection = H1_CONNECTION_KEEP_ALIVE;
    return framing;
}

/* h1_write_answer speaks 1.1 only, as a balancer must; an old worker's first line is put in front by hand. */
static int client_age_answer(struct bufq *out, struct bufq *answer)
{
    int result = bufq_push_static(out, STR("HTTP/1.0"));
    bufq_consume(answer, 8);
    return result < 0 ? result : bufq_move(out, answer, bufq_bytes(answer));
}

static bool client_write_head(struct client *client)
{
    struct field fields[8 + SHOP_FIELDS];
    struct plan *plan = &client->plan;
    struct service *service = client->port->service;
    struct bufq answer;
    client->body.chunked = plan->chunked;
    client->body.left = plan->body == PLAN_PATTERN ? plan->pattern_bytes : (int64_t)bufq_bytes(&client->body.text);
    struct h1_framing framing = client_framing(client);
    struct msg msg = {.status = (uint16_t)plan->status,
                      .reason = msg_reason_of(plan->status),
                      .fields = fields,
                      .cap = ARRAY_SIZE(fields)};
    msg_add_field(&msg, FIELD_DATE, STR("Date"), service_date(service));
    msg_add_field(&msg, FIELD_OTHER, STR("X-Worker"), client->port->name);
    msg_add_field(&msg, FIELD_OTHER, STR("Content-Type"), STR("text/plain"));
    if (plan->shop)
        shop_add_fields(&msg);
    if (plan->trailers)
        msg_add_field(&msg, FIELD_TRAILER, STR("Trailer"), STR("X-Bytes"));
    client->begun = true;
    if (!plan->http10)
        return client_checked(client, h1_write_answer(&client->out, &msg, &framing));
    bufq_init(&answer, service->buffers);
    int result = h1_write_answer(&answer, &msg, &framing);
    if (result == 0)
        result = client_age_answer(&client->out, &answer);
    bufq_clear(&answer);
    return client_checked(client, result);
}

static bool client_write_end(struct client *client)
{
    char number[20];
    struct field trailer = {.name = STR("X-Bytes")};
    trailer.value = str_slice(number, str_put_u64(number, (uint64_t)client->body.given));
    return client_checked(client, h1_write_last_chunk(&client->out, &trailer, client->plan.trailers ? 1 : 0));
}

/* How much body may be made now; 0 when the plan is to die here. */
static int64_t client_allowance(const struct client *client)
{
    const struct plan *plan = &client->plan;
    int64_t allowance = INT64_MAX;
    if (bufq_bytes(&client->out) < OUT_MAX)
        allowance = OUT_MAX - (int64_t)bufq_bytes(&client->out);
    if (plan->bytes_per_s > 0 && allowance > plan->bytes_per_s / SLOW_PIECES)
        allowance = plan->bytes_per_s < SLOW_PIECES ? 1 : plan->bytes_per_s / SLOW_PIECES;
    if (plan->stop_after >= 0 && allowance > plan->stop_after - client->body.given)
        allowance = plan->stop_after - client->body.given;
    return allowance;
}

static bool client_stops_here(const struct client *client)
{
    const struct plan *plan = &client->plan;
    if (plan->stop_after < 0 || client->body.given < plan->stop_after)
        return false;
    return client->body.left > 0 || plan->chunked;
}

/* A slow body's next piece waits until this one's time is over. */
static void client_slow_down(struct client *client, int64_t piece)
{
    int64_t rest_ms = piece * 1000 / client->plan.bytes_per_s;
    client_timer_set(client, rest_ms > 0 ? rest_ms : 1);
    client->waiting = true;
}

static bool client_step_answer(struct client *client)
{
    struct body *body = &client->body;
    if (!client->begun && !client_write_head(client))
        return false;
    if (!client->plan.bodyless) {
        if (client_stops_here(client)) {
            client_phase(client, CLIENT_DYING);
            return true;
        }
        if (client->waiting || (body->left > 0 && bufq_bytes(&client->out) >= OUT_MAX))
            return false;
        if (body->left > 0) {
            int64_t before = body->given;
            if (!client_checked(client, body_give(body, &client->out, client_allowance(client))))
                return false;
            if (client->plan.bytes_per_s > 0)
                client_slow_down(client, body->given - before);
            return true;
        }
        if (client->plan.chunked && !client_write_end(client))
            return false;
    }
    if (client->intake.state == INTAKE_DONE)
        return client_finish(client);
    client_phase(client, CLIENT_INTAKE);
    return true;
}

static bool client_step_echo(struct client *client)
{
    struct bufq *echo = client->plan.bodyless ? NULL : &client->out;
    if (!client->begun && !client_write_head(client))
        return false;
    int result = intake_step(&client->intake, &client->in, echo, OUT_MAX, &limits);
    if (result < 0)
        return client_refuse(client, result);
    if (result > 0)
        return client_finish(client);
    if (client->ended && bufq_bytes(&client->in) == 0)
        client_close(client, true);
    return false;
}

static bool client_all_sent(const struct client *client)
{
    return bufq_bytes(&client->out) == 0 && client->tx.kind == IO_OP_NONE;
}

static bool client_step_dying(struct client *client)
{
    if (client_all_sent(client))
        client_close(client, client->plan.stop_by_reset);
    return false;
}

/* Closing with unread bytes would reset the connection and could destroy the answer on its way. */
static bool client_step_linger(struct client *client)
{
    bufq_clear(&client->in);
    if (!client_all_sent(client))
        return false;
    if (client->ended) {
        client_close(client, false);
    } else if (!client->end_sent) {
        client->end_sent = true;
        io_shutdown_send(&client->sock);
        client_timer_set(client, LINGER_MS);
    }
    return false;
}

static bool (*const client_steps[])(struct client *client) = {
    [CLIENT_HEAD] = client_step_head,     [CLIENT_INTAKE] = client_step_intake, [CLIENT_DELAY] = client_step_delay,
    [CLIENT_ANSWER] = client_step_answer, [CLIENT_ECHO] = client_step_echo,     [CLIENT_SILENT] = client_step_silent,
    [CLIENT_DYING] = client_step_dying,   [CLIENT_LINGER] = client_step_linger,
};

/* Does all that can be done, then asks for what is needed to go on. */
static void client_run(struct client *client)
{
    while (client->phase != CLIENT_CLOSED && client_steps[client->phase](client))
        ;
    if (client->phase == CLIENT_CLOSED)
        return;
    if (client->tx.kind == IO_OP_NONE && bufq_bytes(&client->out) > 0)
        io_send(&client->sock, &client->tx, &client->out);
    if (client->rx.kind == IO_OP_NONE && !client->ended && bufq_bytes(&client->in) < IN_MAX)
        io_recv(&client->sock, &client->rx, NULL);
}

static void client_on_timer(struct timer *timer)
{
    struct client *client = CONTAINER_OF(timer, struct client, timer);
    if (client->phase == CLIENT_HEAD || client->phase == CLIENT_LINGER) {
        client_close(client, false);
        return;
    }
    client->waiting = false;
    client_run(client);
}

static void client_on_received(struct io_op *op)
{
    struct client *client = CONTAINER_OF(op, struct client, rx);
    int result = op->result;
    if (result > 0) {
        size_t n = (size_t)result;
        result = bufq_push(&client->in, op->buf, op->buf->used - n, n);
        buf_unref(op->buf);
    } else if (result == 0) {
        client->ended = true;
    }
    if (client->phase != CLIENT_CLOSED && client_checked(client, result))
        client_run(client);
}

static void client_on_sent(struct io_op *op)
{
    struct client *client = CONTAINER_OF(op, struct client, tx);
    if (op->result > 0)
        bufq_consume(&client->out, (size_t)op->result);
    if (client->phase != CLIENT_CLOSED && client_checked(client, op->result < 0 ? op->result : 0))
        client_run(client);
}

int client_start(struct port *port, int fd)
{
    struct service *service = port->service;
    struct client *client = slab_take(&service->clients);
    if (client == NULL)
        return -ERR_FULL;
    *client = (struct client){.port = port, .phase = CLIENT_HEAD, .sock.fd = -1};
    int result = io_adopt(service->io, &client->sock, fd);
    if (result < 0) {
        slab_give(&service->clients, client);
        return result;
    }
    bufq_init(&client->in, service->buffers);
    bufq_init(&client->out, service->buffers);
    body_init(&client->body, service->buffers);
    timer_init(&client->timer, client_on_timer);
    list_init(&client->link);
    list_append(&service->open, &client->link);
    client->rx.done = client_on_received;
    client->tx.done = client_on_sent;
    client_run(client);
    return 0;
}
