/* One worker: a listening socket with a name. Several live in one process and share a service.
 */
#ifndef WORKER_PORT_H
#define WORKER_PORT_H

#include "base/slab.h"
#include "http/date.h"
#include "io/io.h"
#include "worker/settings.h"

/* What all ports of the process share. One thread. */
struct service {
    /* fixed after init */
    struct io *io;
    struct buf_pool *buffers;
    const struct settings *settings;
    /* owner thread only */
    struct slab clients;
    struct list open; /* client.link */
    int health_status;
    bool stopping;
    int64_t date_until_ms;
    char date[DATE_BYTES];
};

struct port {
    struct service *service;
    struct str name; /* given, or number_text */
    uint16_t number;
    char number_text[20];
    struct io_sock sock;
    struct io_op accept;
    struct io_op close;
    struct sockaddr_storage peer;
};

/* Listens on service->settings->ports[index], and names itself. The port must not move afterwards. 0 or a negative
 * code. */
MUST_CHECK int port_start(struct port *port, struct service *service, int64_t index);
void port_stop(struct port *port);
/* The Date field's value, made anew when half a second has passed. */
struct str service_date(struct service *service);

#endif
