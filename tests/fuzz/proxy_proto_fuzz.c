/* The PROXY header: the answer depends on the header's own bytes alone, every beginning of a good one asks for more,
 * and what is refused tells of nobody.
 */
#include "fuzz.h"

#include <stdlib.h>

#include "base/err.h"
#include "net/proxy_proto.h"

static int parse(const uint8_t *bytes, size_t n, struct proxy_told *told)
{
    struct proxy_told before;
    char *copy = malloc(n + 1); /* as long as it is, so that a sanitizer sees every step beyond */
    ASSERT(copy);
    memcpy(copy, bytes, n);
    copy = realloc(copy, n ? n : 1);
    ASSERT(copy);
    memset(told, 0x5a, sizeof(*told));
    before = *told;
    int result = proxy_proto_parse(str_slice(copy, n), told);
    free(copy);
    if (result <= 0)
        ASSERT(memcmp(told, &before, sizeof(before)) == 0);
    return result;
}

static void check_told(const struct proxy_told *told)
{
    sa_family_t from = told->from.any.sa_family, to = told->to.any.sa_family;
    ASSERT(from == to);
    ASSERT(from == AF_UNSPEC || from == AF_INET || from == AF_INET6);
    ASSERT(!told->local || from == AF_UNSPEC);
}

static void check_beginnings(const uint8_t *bytes, size_t n, const struct proxy_told *told)
{
    struct proxy_told other;
    for (size_t i = 0; i < n; i++)
        ASSERT(parse(bytes, i, &other) == 0);
    ASSERT(parse(bytes, n, &other) == (int)n);
    ASSERT(memcmp(told, &other, sizeof(other)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct proxy_told told, other;
    int result = parse(bytes, n, &told);
    if (result > 0) {
        ASSERT((size_t)result <= n && result <= PROXY_PROTO_MAX);
        check_told(&told);
        check_beginnings(bytes, (size_t)result, &told);
    } else if (result == 0) {
        ASSERT(n < PROXY_PROTO_MAX);
    } else {
        ASSERT(result == -ERR_PROXY_MISSING || result == -ERR_PROXY_HEADER || result == -ERR_PROXY_SIZE);
        ASSERT(parse(bytes, 0, &other) == 0);
    }
    return 0;
}
