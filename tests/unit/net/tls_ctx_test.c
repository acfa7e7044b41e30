/* What can be made of files, and what is said of those that are wrong. */
#include "net/tls_ctx.h"

#include <time.h>

#include "tests/unit/net/net_cmocka.h"
#include "tests/unit/net/tls_files.h"

static void refuses(const struct tls_certificate *certificate, const char *ticket_keys, const char *says)
{
    struct tls_server_options options = {.certificates = certificate, .count = 1, .ticket_keys = ticket_keys};
    struct tls_ctx *ctx = NULL;
    char why[TLS_WHY_MAX];
    assert_int_equal(tls_server_create(&options, &ctx, why), -ERR_CONFIG);
    assert_null(ctx);
    if (!strstr(why, says))
        fail_msg("%s", why);
}

static void test_wrong_files_are_named(void **state)
{
    struct tls_files one, other;
    tls_files_create(&one, "DNS:one.example", 30);
    tls_files_create(&other, "DNS:other.example", 30);
    refuses(&(struct tls_certificate){"/nowhere", "", ""}, "", "cannot be read from /nowhere: No such file");
    refuses(&(struct tls_certificate){one.chain, "", ""}, "", "the private key cannot be read from");
    refuses(&(struct tls_certificate){one.chain, other.key, ""}, "", "does not belong to the certificate in");
    refuses(&(struct tls_certificate){one.chain, one.key, "/nowhere"}, "", "the OCSP answer cannot be read");
    refuses(&(struct tls_certificate){one.chain, one.key, ""}, one.key, "1 to 8 keys of 80 bytes each");
    tls_files_destroy(&one);
    tls_files_destroy(&other);
}

static void test_end_and_references(void **state)
{
    struct tls_files files;
    struct tls_ctx *ctx = NULL;
    char why[TLS_WHY_MAX];
    tls_files_create(&files, "DNS:one.example", 30);
    struct tls_certificate certificate = {files.chain, files.key, ""};
    struct tls_server_options options = {
        .certificates = &certificate, .count = 1, .ticket_keys = "", .handshake_ms = 70};
    assert_int_equal(tls_server_create(&options, &ctx, why), 0);
    assert_int_equal(tls_ctx_certificates(ctx), 1);
    assert_int_equal((tls_ctx_not_after_s(ctx, 0) - time(NULL) + 3600) / 86400, 30);
    assert_true(tls_ctx_is_server(ctx));
    assert_int_equal(tls_ctx_handshake_ms(ctx), 70);
    assert_ptr_equal(tls_ctx_ref(ctx), ctx);
    tls_ctx_unref(ctx);
    tls_ctx_unref(ctx);
    tls_ctx_unref(NULL);
    tls_files_destroy(&files);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wrong_files_are_named),
        cmocka_unit_test(test_end_and_references),
    };
    return cmocka_run_group_tests_name("tls_ctx", tests, NULL, NULL);
}
