/* Protocol Buffers as far as two messages of one field each need them. Called by the prober on the control thread. */
#include "balance/grpc_health.h"

#include "base/assert.h"

enum { FRAME_HEAD_BYTES = 5, TAG_SERVICE = 0x0a, TAG_STATUS = 0x08, SERVING = 1 };

size_t grpc_health_ask(char out[GRPC_HEALTH_ASK_MAX], struct str service)
{
    size_t n = service.n ? 2 + service.n : 0;
    char head[] = {0, 0, 0, 0, (char)n, TAG_SERVICE, (char)service.n}; /* not compressed, length, then the field */

    ASSERT(service.n <= GRPC_HEALTH_SERVICE_MAX);
    str_put(str_put(out, str_slice(head, service.n ? 7 : FRAME_HEAD_BYTES)), service);
    return FRAME_HEAD_BYTES + n;
}

/* A varint of at most ten bytes off the front. */
static bool cut_varint(struct str *rest, uint64_t *ret_value)
{
    *ret_value = 0;
    for (unsigned i = 0; i < 10 && i < rest->n; i++) {
        *ret_value |= (uint64_t)(rest->p[i] & 0x7f) << 7 * i;
        if (rest->p[i] & 0x80)
            continue;
        *rest = str_slice(rest->p + i + 1, rest->n - i - 1);
        return true;
    }
    return false;
}

/* Any field that is not known is passed over. */
static bool cut_value(struct str *rest, uint64_t tag, uint64_t *ret_value)
{
    size_t n;

    switch (tag & 7) {
    case 0: return cut_varint(rest, ret_value);
    case 1: n = 8; break;
    case 2:
        if (!cut_varint(rest, ret_value) || *ret_value > rest->n)
            return false;
        n = (size_t)*ret_value;
        break;
    case 5: n = 4; break;
    default: return false;
    }
    if (n > rest->n)
        return false;
    *rest = str_slice(rest->p + n, rest->n - n);
    return true;
}

bool grpc_health_serves(struct str body)
{
    static const char plain[4] = {0};
    uint64_t tag, value = 0, status = 0;

    if (body.n < FRAME_HEAD_BYTES || memcmp(body.p, plain, sizeof(plain)) != 0)
        return false;
    if ((unsigned char)body.p[4] != body.n - FRAME_HEAD_BYTES)
        return false;
    struct str rest = str_slice(body.p + FRAME_HEAD_BYTES, body.n - FRAME_HEAD_BYTES);
    while (rest.n > 0) {
        if (!cut_varint(&rest, &tag) || !cut_value(&rest, tag, &value))
            return false;
        status = tag == TAG_STATUS ? value : status;
    }
    return status == SERVING;
}

bool grpc_health_is_ok(const struct field *fields, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (str_ieq(fields[i].name, STR("grpc-status")))
            return str_eq(fields[i].value, STR("0"));
    return false;
}
