/* What follows a 101, the same for both its ends: a client (client.c) and a worker's connection (worker.c). Each says
 * what its plan has, and ends as that says. */
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

#include "tests/sim/check.h"

static uint64_t bytes_of(const struct tunnel_end *end)
{
    const struct plan_tunnel *plan = &end->request->tunnel;
    return end->client ? plan->up_bytes : plan->down_bytes;
}

struct tunnel_log *sim_tunnel_log_of(const struct tunnel_end *end)
{
    return &world_log(end->world, end->request->id)->tunnel;
}

static void note(const struct tunnel_end *end, const char *what)
{
    uint32_t id = end->request->id;
    trace_line((int)(id - 1000) / 100, (int)id, "%s %s the tunnel q%u",
               end->client ? "the client's end" : "the worker's end", what, id);
}

/* ---- heads ---- */

void sim_tunnel_key(const struct plan_request *request, char out[TUNNEL_KEY_ROOM])
{
    unsigned char nonce[17];
    snprintf((char *)nonce, sizeof(nonce), "sim nonce %06u", request->id);
    EVP_EncodeBlock((unsigned char *)out, nonce, 16);
}

void sim_tunnel_accept(struct str key, char out[TUNNEL_KEY_ROOM])
{
    static const char magic[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; /* RFC 6455 section 1.3 */
    unsigned char digest[SHA_DIGEST_LENGTH];
    char text[TUNNEL_KEY_ROOM + sizeof(magic)];
    int n = snprintf(text, sizeof(text), "%.*s%s", STR_ARG(key), magic);
    SHA1((const unsigned char *)text, (size_t)n, digest);
    EVP_EncodeBlock((unsigned char *)out, digest, sizeof(digest));
}

void sim_tunnel_write_fields(struct sim_bytes *out, const struct plan_request *request)
{
    char key[TUNNEL_KEY_ROOM];
    sim_tunnel_key(request, key);
    wire_append(out, "Upgrade: websocket\r\nSec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n", key);
}

void sim_tunnel_write_switch(struct sim_bytes *out, const struct plan_request *request, uint32_t worker, struct str key)
{
    char accept[TUNNEL_KEY_ROOM];
    sim_tunnel_accept(request->tunnel.lies ? STR("another key") : key, accept);
    wire_append(out, "HTTP/1.1 101 Switching Protocols\r\nX-Sim: %u.%u\r\nX-Hop: 1\r\n", request->id, worker);
    wire_append(out, "Connection: X-Hop, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: %s\r\n\r\n", accept);
}

/* ---- bytes ---- */

static bool all_has_left(const struct tunnel_end *end)
{
    return end->out->bytes.n == 0 && (end->queue == NULL || end->queue->n == 0);
}

void sim_tunnel_note_moved(const struct tunnel_end *end)
{
    sim_tunnel_log_of(end)->moved_ns = world_now_ns(end->world);
}

static void say_rest(struct tunnel_end *end)
{
    uint32_t id = end->request->id;
    uint64_t key = end->client ? world_request_key(end->world, id) : world_answer_key(end->world, id);
    uint64_t from = end->said;
    end->said = bytes_of(end);
    if (from == end->said)
        return;
    wire_append_body(end->words, key, from, (size_t)(end->said - from));
    end->say(end->context);
}

void sim_tunnel_open(struct tunnel_end *end)
{
    struct tunnel_log *log = sim_tunnel_log_of(end);
    note(end, "opens");
    *(end->client ? &log->opened : &log->switched) = true;
    if (end->client)
        log->opened_ns = log->down_ns = world_now_ns(end->world);
    sim_tunnel_note_moved(end);
    if (end->client || end->request->tunnel.down_from == 0)
        say_rest(end);
    if (end->client && all_has_left(end))
        sim_tunnel_sent(end);
}

void sim_tunnel_read(struct tunnel_end *end, const struct wire_reader *reader)
{
    struct tunnel_log *log = sim_tunnel_log_of(end);
    *(end->client ? &log->down_read : &log->up_read) = reader->body_n;
    if (end->client)
        log->down_ns = world_now_ns(end->world);
    sim_tunnel_note_moved(end);
    check_tunnel_bytes(end, reader);
    if (!end->client && reader->body_n >= end->request->tunnel.down_from)
        say_rest(end);
}

/* ---- ends ---- */

static bool may_end(const struct tunnel_end *end)
{
    switch (end->request->tunnel.end) {
    case TUNNEL_EACH: return true;
    case TUNNEL_CLIENT_FIRST: return end->client || end->heard_end;
    case TUNNEL_WORKER_FIRST: return !end->client || end->heard_end;
    case TUNNEL_NEVER: return end->heard_end;
    }
    return false;
}

void sim_tunnel_sent(struct tunnel_end *end)
{
    struct tunnel_log *log = sim_tunnel_log_of(end);
    if (end->said_end || end->said < bytes_of(end) || !may_end(end))
        return;
    end->said_end = true;
    *(end->client ? &log->up_ended : &log->down_ended) = true;
    sim_tunnel_note_moved(end);
    note(end, "ends its sending in");
    end->shut(end->context);
}

void sim_tunnel_hear_end(struct tunnel_end *end)
{
    if (!end->heard_end)
        note(end, "sees the other's end in");
    end->heard_end = true;
    say_rest(end);
    if (!end->out->stopped && all_has_left(end))
        sim_tunnel_sent(end);
}

bool sim_tunnel_is_over(const struct tunnel_end *end)
{
    return end->said_end && end->heard_end && io_sim_peer_unsent(*end->out->peer) == 0;
}
