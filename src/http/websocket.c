/* SHA-1 and base64, once a handshake. Here by hand, because the library that has them stands behind another door (TLS),
 * which a build may be without; nothing is kept secret by it. */
#include "http/websocket.h"

enum { BLOCK_BYTES = 64, DIGEST_BYTES = 20, KEY_MAX = 64 };

static const struct str magic = {"258EAFA5-E914-47DA-95CA-C5AB0DC85B11", 36};

static uint32_t turned(uint32_t word, unsigned bits)
{
    return word << bits | word >> (32 - bits);
}

/* One block of SHA-1 (RFC 3174 section 6.1). */
static void add_block(uint32_t digest[5], const uint8_t block[BLOCK_BYTES])
{
    static const uint32_t constants[4] = {0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6};
    uint32_t words[80], a = digest[0], b = digest[1], c = digest[2], d = digest[3], e = digest[4];

    for (int i = 0; i < 16; i++)
        words[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 | (uint32_t)block[4 * i + 2] << 8 |
                   block[4 * i + 3];
    for (int i = 16; i < 80; i++)
        words[i] = turned(words[i - 3] ^ words[i - 8] ^ words[i - 14] ^ words[i - 16], 1);
    for (int i = 0; i < 80; i++) {
        uint32_t mixed = i < 20 ? (b & c) | (~b & d) : i >= 40 && i < 60 ? (b & c) | (b & d) | (c & d) : b ^ c ^ d;
        uint32_t next = turned(a, 5) + mixed + e + words[i] + constants[i / 20];
        e = d;
        d = c;
        c = turned(b, 30);
        b = a;
        a = next;
    }
    digest[0] += a;
    digest[1] += b;
    digest[2] += c;
    digest[3] += d;
    digest[4] += e;
}

/* Of a text that fits two blocks with its padding. */
static void digest_of(const uint8_t *text, size_t n, uint8_t out[DIGEST_BYTES])
{
    uint32_t digest[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    uint8_t blocks[2 * BLOCK_BYTES] = {0};
    size_t end = n + 9 <= BLOCK_BYTES ? BLOCK_BYTES : 2 * BLOCK_BYTES;

    ASSERT(n + 9 <= sizeof(blocks));
    memcpy(blocks, text, n);
    blocks[n] = 0x80;
    blocks[end - 2] = (uint8_t)(n * 8 >> 8);
    blocks[end - 1] = (uint8_t)(n * 8);
    for (size_t at = 0; at < end; at += BLOCK_BYTES)
        add_block(digest, blocks + at);
    for (int i = 0; i < DIGEST_BYTES; i++)
        out[i] = (uint8_t)(digest[i / 4] >> (24 - i % 4 * 8));
}

static void put_base64(const uint8_t *bytes, size_t n, char *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t at = 0; at < n; at += 3, out += 4) {
        uint32_t three = (uint32_t)bytes[at] << 16 | (at + 1 < n ? (uint32_t)bytes[at + 1] << 8 : 0) |
                         (at + 2 < n ? bytes[at + 2] : 0);
        for (int i = 0; i < 4; i++)
            out[i] = at + (size_t)i > n ? '=' : digits[three >> (18 - 6 * i) & 63];
    }
}

void websocket_key(const uint8_t nonce[WEBSOCKET_NONCE_BYTES], char out[WEBSOCKET_KEY_BYTES])
{
    put_base64(nonce, WEBSOCKET_NONCE_BYTES, out);
}

void websocket_accept(struct str key, char out[WEBSOCKET_ACCEPT_BYTES])
{
    uint8_t text[KEY_MAX + 36], digest[DIGEST_BYTES];

    ASSERT(key.n <= KEY_MAX);
    memcpy(text, key.p, key.n);
    memcpy(text + key.n, magic.p, magic.n);
    digest_of(text, key.n + magic.n, digest);
    put_base64(digest, DIGEST_BYTES, out);
}
