/* Answers to gRPC health checks, and their trailers: no byte outside is read, what serves is whole and says so last,
 * and fields that are not known change nothing.
 *
 * The input is the answer's body; as a second reading, the value of grpc-status.
 */
#include "fuzz.h"

#include <stdlib.h>

#include "balance/grpc_health.h"

enum { HEAD = 5, MOST = 255 };

/* The body with more behind it and its length corrected, in memory of its own. */
static bool serves_with(struct str body, struct str more)
{
    size_t n = body.n + more.n;
    char *bytes = malloc(n);

    ASSERT(bytes);
    str_put(str_put(bytes, body), more);
    bytes[HEAD - 1] = (char)(n - HEAD);
    bool serves = grpc_health_serves(str_slice(bytes, n));
    free(bytes);
    return serves;
}

static void check_serving(struct str body)
{
    ASSERT(body.n > HEAD && body.n <= HEAD + MOST);
    ASSERT(!grpc_health_serves(str_slice(body.p, body.n - 1)));
    if (body.n + 11 > HEAD + MOST)
        return;
    ASSERT(serves_with(body, STR("\x12\x02xy")));
    ASSERT(serves_with(body, str_slice("\x1d\0\0\0\0", 5)));
    ASSERT(serves_with(body, str_slice("\x08\x02\x08\x01", 4)));
    ASSERT(!serves_with(body, STR("\x08\x02")));
    ASSERT(!serves_with(body, STR("\x12\x02x")));
    ASSERT(!serves_with(body, STR("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01")));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    char ask[GRPC_HEALTH_ASK_MAX];
    char *own = malloc(n ? n : 1);

    ASSERT(own);
    if (n)
        memcpy(own, bytes, n);
    struct str input = str_slice(own, n);
    struct field fields[] = {{.name = STR("x"), .value = STR("0")}, {.name = STR("Grpc-Status"), .value = input}};
    if (grpc_health_serves(input))
        check_serving(input);
    ASSERT(grpc_health_is_ok(fields, 2) == (n == 1 && own[0] == '0'));
    ASSERT(!grpc_health_is_ok(fields, 1));
    if (n <= GRPC_HEALTH_SERVICE_MAX) { /* a request is no answer */
        size_t asked = grpc_health_ask(ask, input);
        ASSERT(asked <= sizeof(ask) && (unsigned char)ask[HEAD - 1] == asked - HEAD);
        ASSERT(!grpc_health_serves(str_slice(ask, asked)));
    }
    free(own);
    return 0;
}
