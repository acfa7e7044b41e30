/* Called by the harnesses h1_head and h2_head. */
#include "written.h"

#include <stdlib.h>

#include "base/assert.h"

const struct h1_limits written_limits = {.head_bytes = 8192, .fields = WRITTEN_FIELDS_MAX, .target_bytes = 256};

struct str written_take(struct bufq *queue)
{
    size_t n = bufq_bytes(queue), at = 0;
    char *bytes = malloc(n);
    ASSERT(bytes);
    while (bufq_bytes(queue) > 0) {
        struct str front = bufq_front(queue);
        memcpy(bytes + at, front.p, front.n);
        at += front.n;
        bufq_consume(queue, front.n);
    }
    buf_pool_fini(queue->pool);
    return str_slice(bytes, n);
}

void written_check_scans(struct str bytes, bool trailers)
{
    struct h1_scan scan = {.trailers = trailers};
    size_t head = 0;
    ASSERT(h1_scan(&scan, bytes.p, bytes.n, &written_limits, &head) == 1 && head == bytes.n);
}

void written_check_fields(const struct field *a, uint32_t a_count, const struct field *b, uint32_t b_count)
{
    uint32_t k = 0;
    for (uint32_t i = 0; i < a_count; i++) {
        if (a[i].dropped)
            continue;
        while (k < b_count && b[k].dropped)
            k++;
        ASSERT(k < b_count && str_eq(a[i].name, b[k].name) && str_eq(a[i].value, b[k].value));
        k++;
    }
    while (k < b_count && b[k].dropped)
        k++;
    ASSERT(k == b_count);
}
