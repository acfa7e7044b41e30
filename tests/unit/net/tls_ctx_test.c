/* What can be made of files, and what is said of those that are wrong. */
#include "net/tls_ctx.h"

#include <stdio.h>
#include <time.h>

#include "tests/unit/net/net_cmocka.h"
#include "tests/unit/net/tls_files.h"

/* openssl ec -aes128, with the password x */
static const char locked_key[] = "-----BEGIN EC PRIVATE KEY-----\n"
                                 "Proc-Type: 4,ENCRYPTED\n"
                                 "DEK-Info: AES-128-CBC,7E9E94FA9FE8CEE68503F25718473915\n"
                                 "\n"
                                 "Z5V49W5KyDR+bxJd0/+MkJBwH0TzOh4iLGuvYtKUvF1WQuU1/MrUrknlvKnIpWkB\n"
                                 "Fp0am6pD3E+sUAe2RGjDaI8KRtQN0EE2Amzj23ztARB+76g/RSDZHuHn1I3tEPM7\n"
                                 "fV/HIlKC5ZBLfHHCN1lZNheeNU7b5SayXX16WMnbrCk=\n"
                                 "-----END EC PRIVATE KEY-----\n";

static void refuses(struct tls_file chain, struct tls_file key, struct tls_file ocsp, struct tls_file ticket_keys,
                    const char *says)
{
    struct tls_certificate certificate = {chain, key, ocsp};
    struct tls_server_options options = {.certificates = &certificate, .count = 1, .ticket_keys = ticket_keys};
    struct tls_ctx *ctx = NULL;
    struct tls_why why;
    assert_int_equal(tls_server_create(&options, &ctx, &why), -ERR_CONFIG);
    assert_null(ctx);
    if (!strstr(why.text, says))
        fail_msg("%s", why.text);
}

static void refuses_authorities(struct tls_file ca, struct tls_file crl, const char *says)
{
    struct tls_files files;
    struct tls_ctx *ctx = NULL;
    struct tls_why why;
    tls_files_create(&files, "DNS:one.example", 30);
    struct tls_certificate certificate = {files.chain, files.key, {""}};
    struct tls_server_options options = {
        .certificates = &certificate, .count = 1, .verify = TLS_VERIFY_REQUIRED, .ca = ca, .crl = crl};
    assert_int_equal(tls_server_create(&options, &ctx, &why), -ERR_CONFIG);
    if (!strstr(why.text, says))
        fail_msg("%s", why.text);
}

/* Of another kind than what tls_files makes. */
static const char other_kind[] = "-----BEGIN PRIVATE KEY-----\n"
                                 "MC4CAQAwBQYDK2VwBCIEIFl4wKMMKrBoYw0bTSV5FtNY49NeDJYTjo9GKiRHikqG\n"
                                 "-----END PRIVATE KEY-----\n";

static void test_wrong_files_are_named(void **state)
{
    struct tls_file none = {.name = ""}, junk = {"junk.pem", STR("-----BEGIN CERTIFICATE-----\njunk\n")};
    struct tls_file empty = {"empty.der", STR("")}, locked = {"locked.pem", str_of(locked_key)};
    struct tls_file broken = {"broken.pem", STR("-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n")};
    struct tls_file unlike = {"unlike.pem", str_of(other_kind)};
    struct tls_files one, other;
    tls_files_create(&one, "DNS:one.example", 30);
    tls_files_create(&other, "DNS:other.example", 30);
    char twice[sizeof(one.chain_text) + 64], both[2 * sizeof(one.chain_text)];
    (void)snprintf(both, sizeof(both), "%s%s", other.chain_text, one.chain_text);
    (void)snprintf(twice, sizeof(twice), "%s%s", one.chain_text, junk.bytes.p);
    refuses(junk, none, none, none, "the certificate cannot be read from junk.pem");
    refuses((struct tls_file){"cut.pem", str_of(twice)}, one.key, none, none, "cannot be read from cut.pem");
    refuses(one.chain, none, none, none, "there is no private key in chain.pem; name the file that has it as \"key\"");
    refuses(one.chain, locked, none, none, "the private key in locked.pem needs a password");
    refuses(one.chain, broken, none, none, "the private key cannot be read from broken.pem");
    refuses(one.chain, other.key, none, none, "does not belong to the certificate in chain.pem");
    refuses(one.chain, unlike, none, none, "in unlike.pem does not belong to the certificate in chain.pem");
    refuses((struct tls_file){"both.pem", str_of(both)}, one.key, none, none,
            "does not belong to the first certificate in both.pem, but to one behind it: put that one first");
    refuses(one.key, one.key, none, none, "cannot be read from key.pem: there is none in it as PEM");
    refuses(one.chain, one.key, empty, none, "the OCSP answer in empty.der cannot be stapled: it is empty");
    refuses(one.chain, one.key, one.key, none, "the OCSP answer in key.pem cannot be stapled: it is no OCSP answer");
    refuses(one.chain, one.key, none, one.key, "1 to 8 keys of 80 bytes each");
    refuses_authorities(junk, none, "the authorities cannot be read from junk.pem");
    refuses_authorities(one.chain, one.key, "the list of revoked certificates cannot be read from key.pem");
    refuses_authorities(one.chain, other.chain, "the list of revoked certificates cannot be read from chain.pem");
}

static void test_end_and_references(void **state)
{
    struct tls_files files;
    struct tls_ctx *ctx = NULL;
    struct tls_why why;
    tls_files_create(&files, "DNS:one.example", 30);
    struct tls_certificate certificate = {files.chain, files.key, {""}};
    struct tls_server_options options = {.certificates = &certificate, .count = 1, .handshake_ms = 70};
    assert_int_equal(tls_server_create(&options, &ctx, &why), 0);
    assert_int_equal(tls_ctx_certificates(ctx), 1);
    assert_int_equal((tls_ctx_not_after_s(ctx, 0) - time(NULL) + 3600) / 86400, 30);
    assert_true(tls_ctx_is_server(ctx));
    assert_int_equal(tls_ctx_handshake_ms(ctx), 70);
    assert_ptr_equal(tls_ctx_ref(ctx), ctx);
    tls_ctx_unref(ctx);
    tls_ctx_unref(ctx);
    tls_ctx_unref(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wrong_files_are_named),
        cmocka_unit_test(test_end_and_references),
    };
    return cmocka_run_group_tests_name("tls_ctx", tests, NULL, NULL);
}
