/* Listening, and handing each connection to a client. Called by main.c.
 */
#include "worker/port.h"

#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "io/sock.h"
#include "worker/client.h"

enum { PORT_BACKLOG = 4096, DATE_KEEP_MS = 500 };

static void port_on_accept(struct io_op *op)
{
    struct port *port = CONTAINER_OF(op, struct port, accept);
    if (op->result < 0)
        return;
    if (port->service->stopping || client_start(port, op->result) < 0)
        io_discard(port->service->io, op->result);
}

static void port_on_closed(struct io_op *op)
{
    (void)op;
}

static void port_name(struct port *port, const char *given)
{
    if (given != NULL)
        port->name = str_of(given);
    else
        port->name = str_slice(port->number_text, str_put_u64(port->number_text, port->number));
}

static int port_listen(struct port *port, const char *bind, const char *number)
{
    uint64_t wanted;
    struct sock_addr addr;
    socklen_t len = sizeof addr.storage;
    int result = str_parse_u64(str_of(number), UINT16_MAX, &wanted);
    if (result < 0)
        return result;
    struct sock_name name = {.host = str_of(bind), .port = (uint16_t)wanted};
    result = sock_addr_numeric(&name, &addr);
    if (result < 0)
        return result;
    int fd = sock_listen(&addr, PORT_BACKLOG, false);
    if (fd < 0)
        return fd;
    result = getsockname(fd, (struct sockaddr *)&addr.storage, &len) < 0 ? -ERR_SYSTEM : 0;
    if (result == 0)
        result = io_adopt(port->service->io, &port->sock, fd);
    if (result < 0)
        (void)close(fd);
    port->number = sock_addr_port(&addr.storage);
    return result;
}

int port_start(struct port *port, struct service *service, int64_t index)
{
    const struct settings *settings = service->settings;
    *port = (struct port){.service = service, .sock.fd = -1};
    int result = port_listen(port, settings->bind, settings->ports[index]);
    if (result < 0)
        return result;
    port->accept.done = port_on_accept;
    io_accept(&port->sock, &port->accept, &port->peer);
    port_name(port, index < settings->name_count ? settings->names[index] : NULL);
    return 0;
}

void port_stop(struct port *port)
{
    if (!io_is_open(&port->sock))
        return;
    port->close.done = port_on_closed;
    io_close(&port->sock, &port->close, false);
}

struct str service_date(struct service *service)
{
    if (io_now_ms(service->io) >= service->date_until_ms) {
        date_format(service->date, clock_wall_ns() / 1000000000);
        service->date_until_ms = io_now_ms(service->io) + DATE_KEEP_MS;
    }
    return str_slice(service->date, DATE_BYTES);
}
