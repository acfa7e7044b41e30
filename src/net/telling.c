/* Sends the header as the connection is made, alone: what follows may be a handshake that waits for its turn. Owned by
 * its conn, on its thread. */
#include "net/telling.h"

#include <stdlib.h>

#include "net/conn.h"
#include "net/hand_over.h"
#include "net/proxy_write.h"
#include "net/tls_conn.h"

enum { TELLING_MAGIC = 0x74656c6c };

struct telling_conn {
    uint32_t magic;
    struct conn *conn;
    struct tls_ctx *tls;
    struct bufq header;
};

static struct telling_conn *of_conn(const struct conn *conn)
{
    struct telling_conn *telling = conn->transport_state;

    ASSERT_MAGIC(telling, TELLING_MAGIC);
    return telling;
}

static void release(struct telling_conn *telling)
{
    bufq_clear(&telling->header);
    telling->conn->transport_state = NULL;
    tls_ctx_unref(telling->tls);
    free(telling); /* not per request: once a connection */
}

static void send_more(struct telling_conn *telling);

static void on_sent(struct io_op *op)
{
    struct conn *conn = CONTAINER_OF(op, struct conn, tx);
    struct telling_conn *telling = of_conn(conn);

    if (conn->seat->sock.closing)
        return;
    if (op->result <= 0) {
        conn_note_ready(conn, op->result);
        return;
    }
    bufq_consume(&telling->header, (size_t)op->result);
    if (bufq_bytes(&telling->header) > 0) {
        send_more(telling);
        return;
    }
    struct tls_ctx *tls = telling->tls ? tls_ctx_ref(telling->tls) : NULL;
    release(telling);
    hand_over(conn, tls, NULL, 0);
    tls_ctx_unref(tls);
}

static void send_more(struct telling_conn *telling)
{
    telling->conn->tx.done = on_sent;
    io_send(&telling->conn->seat->sock, &telling->conn->tx, &telling->header);
}

static void telling_start(struct conn *conn)
{
    send_more(of_conn(conn));
}

/* ---- the header ---- */

static void keep_address(union proxy_address *address, const void *from)
{
    sa_family_t family = ((const struct sockaddr *)from)->sa_family;

    if (family == AF_INET)
        memcpy(&address->in4, from, sizeof(address->in4));
    else if (family == AF_INET6)
        memcpy(&address->in6, from, sizeof(address->in6));
}

static struct proxy_facts facts_of(const struct telling_client *client)
{
    struct proxy_facts facts = {
        .id = client->id,
        .alpn = conn_alpn(client->conn),
        .tls_version = conn_word(client->conn, TRANSPORT_TLS_VERSION),
        .certified = conn_word(client->conn, TRANSPORT_PEER_SUBJECT).n > 0,
        .resumed = conn_word(client->conn, TRANSPORT_TLS_RESUMED).n > 0,
    };
    struct sockaddr_storage local = {0};

    io_local(&client->conn->seat->sock, &local);
    keep_address(&facts.from, &client->conn->seat->peer);
    keep_address(&facts.to, &local);
    return facts;
}

static int write_header(struct telling_conn *telling, enum telling_version version, const struct telling_client *client)
{
    struct proxy_facts facts = {0};
    char header[PROXY_WRITE_MAX];

    if (client)
        facts = facts_of(client);
    size_t n = version == TELLING_V1 ? proxy_write_1(header, client ? &facts : NULL)
                                     : proxy_write_2(header, client ? &facts : NULL);
    return bufq_append(&telling->header, header, n);
}

/* ---- life ---- */

static int telling_init(struct conn *conn, const void *settings, void *room)
{
    const struct telling *from = settings;
    struct telling_conn *telling = calloc(1, sizeof(*telling)); /* not per request: once a connection */

    if (!telling)
        return -ERR_NO_MEMORY;
    telling->magic = TELLING_MAGIC;
    telling->conn = conn;
    telling->tls = from->tls ? tls_ctx_ref(from->tls) : NULL;
    bufq_init(&telling->header, io_buffers(conn->io));
    conn->transport_state = telling;
    int error = write_header(telling, from->version, room);
    if (error)
        release(telling);
    return error;
}

static void telling_fini(struct conn *conn)
{
    release(of_conn(conn));
}

static struct str telling_word(const struct conn *conn, enum transport_word word)
{
    return STR_NONE;
}

static size_t telling_refusal(const void *settings, char *out)
{
    const struct telling *telling = settings;

    return transport_refusal(&(struct transport_use){telling->tls ? &transport_tls : NULL, telling->tls, NULL}, out);
}

/* A conn that is not ready neither receives nor sends: the rest is never asked for. */
const struct transport transport_telling = {
    .name = "telling",
    .scheme = {"http", 4},
    .personal = true,
    .init = telling_init,
    .start = telling_start,
    .word = telling_word,
    .refusal = telling_refusal,
    .fini = telling_fini,
};
