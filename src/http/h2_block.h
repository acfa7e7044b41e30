/* One header block of HTTP/2 as its fields come out of HPACK, until the whole of it is there.
 *
 * A connection has one at a time (RFC 9113 section 4.3), so that a session needs one of these however many streams it
 * has. It holds memory from the first field to h2_block_end.
 */
#ifndef HTTP_H2_BLOCK_H
#define HTTP_H2_BLOCK_H

#include "base/buf.h"
#include "http/h1_parse.h"

/* Beyond the limit of a head, and more than its frames have room for (nine, each of 16 KiB, in the shortest of
 * Huffman's codes): fields that come again and again out of HPACK's table, RFC 7541 section 7.3. */
enum { H2_BLOCK_BEYOND = 262144 };

struct h2_block {
    struct buf *buf; /* each field: two lengths, name, value; NULL before the first */
    uint32_t count;  /* pseudo-header fields too */
    uint32_t bytes;  /* as the limit counts them */
    uint64_t seen;   /* kept or not */
    int error;       /* the first one; fields after it are not kept */
};

/* Keeps a copy. Over the limits the block's error is -ERR_REQUEST_HEAD_SIZE or _FIELD_COUNT: what HTTP/1 would say of
 * the same head. */
void h2_block_add(struct h2_block *block, struct buf_pool *pool, const struct h1_limits *limits, struct str name,
                  struct str value);
/* So much has come that nobody means it. */
bool h2_block_is_flood(const struct h2_block *block, const struct h1_limits *limits);
/* What was kept, to be walked by h2_block_next; lives as long as the block. */
struct str h2_block_text(const struct h2_block *block);
/* Cuts the next field off *rest; false at the end. */
bool h2_block_next(struct str *rest, struct str *ret_name, struct str *ret_value);
/* Gives everything back; the block is empty then. */
void h2_block_end(struct h2_block *block);

#endif
