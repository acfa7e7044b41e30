/* Requests that must be refused, and smuggling: each holds or is followed by a request for an id that nobody asked for,
 * so that a worker which sees it proves the bug. */
#include "tests/sim/world.h"

struct hostile {
    bool in_body;
    const char *method; /* and what stands behind it; NULL: an ordinary one */
    const char *version;
    const char *fields; /* behind Host */
    const char *body;
};

#define SMUGGLED "GET /p0/q/9 HTTP/1.1\r\nHost: sim.test\r\nX-Sim-Id: 9\r\n\r\n"

static const struct hostile kinds[PLAN_HOSTILE_KINDS] = {
    {false, NULL, NULL, "Content-Length: 4\r\nContent-Length: 5\r\n", "0\r\n\r\n" SMUGGLED},
    {false, NULL, NULL, "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n" SMUGGLED},
    {false, NULL, NULL, "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n" SMUGGLED},
    {false, NULL, NULL, "Transfer-Encoding : chunked\r\n", "0\r\n\r\n" SMUGGLED},
    {false, NULL, NULL, "Transfer-Encoding: xchunked\r\n", "0\r\n\r\n" SMUGGLED},
    {false, NULL, NULL, "Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n" SMUGGLED},
    {false, NULL, NULL, "Content-Length: +5\r\n", "01234" SMUGGLED},
    {false, NULL, NULL, "Content-Length: -1\r\n", SMUGGLED},
    {false, NULL, NULL, "Host: other.test\r\n", ""},
    {false, NULL, NULL, "X-A: b\r\n c\r\n", SMUGGLED},
    {false, NULL, NULL, "X-A: b\nX-C: d\r\n", SMUGGLED},
    {false, NULL, NULL, "X-A: b\rX-C: d\r\n", SMUGGLED},
    {false, NULL, NULL, "X A: b\r\n", ""},
    {false, "GET ", "HTTP/2.0", "", ""},
    {false, "GET  ", NULL, "", ""},
    {false, "G\x01T ", NULL, "", ""},
    {true, NULL, NULL, "Transfer-Encoding: chunked\r\n", "zz\r\n\r\n" SMUGGLED},
    {true, NULL, NULL, "Transfer-Encoding: chunked\r\n", "2\nab\r\n0\r\n\r\n" SMUGGLED},
    {true, NULL, NULL, "Transfer-Encoding: chunked\r\n", "2\r\nabX0\r\n\r\n" SMUGGLED},
    {true, NULL, NULL, "Transfer-Encoding: chunked\r\n", "10000000000000002\r\nab\r\n0\r\n\r\n" SMUGGLED},
};

bool hostile_in_body(uint8_t kind)
{
    return kind > 0 && kinds[kind - 1].in_body;
}

void hostile_write(struct sim_bytes *out, const struct plan_request *request)
{
    const struct hostile *hostile = &kinds[request->hostile - 1];
    wire_append(out, "%s/p%u/q/%u %s\r\n", hostile->method != NULL ? hostile->method : "POST ", request->pool,
                request->id, hostile->version != NULL ? hostile->version : "HTTP/1.1");
    wire_append(out, "Host: sim.test\r\nX-Sim-Id: %u\r\n%s\r\n%s", request->id, hostile->fields, hostile->body);
}
