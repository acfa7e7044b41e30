/* RFC 6455's own example, and values that another implementation gave. */
#include "http/websocket.h"

#include "http_cmocka.h"

static void assert_accept(const char *key, const char *wanted)
{
    char out[WEBSOCKET_ACCEPT_BYTES];
    websocket_accept(str_of(key), out);
    assert_str(str_slice(out, sizeof(out)), str_of(wanted));
}

static void websocket_accepts(void **state)
{
    assert_accept("dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert_accept("", "Kfh9QIsMVZcl6xEPYxPHzW8SZ8w=");
    assert_accept("AAAAAAAAAAAAAAAAAAA", "aY4PwGcVNJA8APkO5DyVUWJM+GI=");
    assert_accept("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "K0FJElb0i4SITS8K2B4k23alN7w=");
}

static void websocket_keys(void **state)
{
    static const uint8_t nonce[WEBSOCKET_NONCE_BYTES + 1] = "the sample nonce";
    char out[WEBSOCKET_KEY_BYTES];
    websocket_key(nonce, out);
    assert_str(str_slice(out, sizeof(out)), STR("dGhlIHNhbXBsZSBub25jZQ=="));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(websocket_accepts),
        cmocka_unit_test(websocket_keys),
    };
    return cmocka_run_group_tests_name("websocket", tests, NULL, NULL);
}
