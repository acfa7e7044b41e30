/* What is said of certificates that are not believed. */
#include "net/tls_refusal.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "net/tls_lib.h"
#include "tests/unit/net/net_cmocka.h"
#include "tests/unit/net/tls_files.h"

static char told[TRANSPORT_REFUSAL_MAX];
static const char *wanted;
static int judged;

static int on_judged(int good, X509_STORE_CTX *checked)
{
    if (good)
        return good;
    judged++;
    size_t n = tls_refusal_tell(checked, wanted, told);
    assert_int_equal(n, strlen(told));
    return good;
}

static X509 *make(const char *names, int days)
{
    struct tls_files files;
    tls_files_create(&files, names, days);
    BIO *in = BIO_new_mem_buf(files.chain.bytes.p, (int)files.chain.bytes.n);
    X509 *certificate = PEM_read_bio_X509(in, NULL, NULL, NULL);
    assert_non_null(certificate);
    BIO_free(in);
    return certificate;
}

/* believed: it is an authority of its own. */
static const char *tell(X509 *certificate, const char *name, bool believed)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *checked = X509_STORE_CTX_new();
    if (believed)
        assert_int_equal(X509_STORE_add_cert(store, certificate), 1);
    assert_int_equal(X509_STORE_CTX_init(checked, store, certificate, NULL), 1);
    X509_STORE_CTX_set_verify_cb(checked, on_judged);
    X509_VERIFY_PARAM *rules = X509_STORE_CTX_get0_param(checked);
    if (name && X509_VERIFY_PARAM_set1_ip_asc(rules, name) != 1)
        assert_int_equal(X509_VERIFY_PARAM_set1_host(rules, name, strlen(name)), 1);
    wanted = name;
    judged = 0;
    told[0] = '\0';
    int good = X509_verify_cert(checked);
    assert_int_equal(judged, good == 1 ? 0 : 1);
    X509_STORE_CTX_free(checked);
    X509_STORE_free(store);
    X509_free(certificate);
    return told;
}

static void says(const char *said, const char *expected)
{
    if (strcmp(said, expected) != 0)
        fail_msg("it says: %s", said);
}

static void test_names_that_do_not_match(void **state)
{
    says(tell(make("DNS:a.example", 30), "a.example", true), "");
    says(tell(make("DNS:a.example", 30), "b.example", true), "it is for a.example, not for b.example");
    says(tell(make("DNS:a.example,DNS:*.b.example,IP:192.0.2.7,DNS:d.example,IP:::1", 30), "192.0.2.8", true),
         "it is for a.example, *.b.example, 192.0.2.7 and 2 more, not for 192.0.2.8");
    says(tell(make("IP:2001:db8::1", 30), "a.example", true), "it is for 2001:db8::1, not for a.example");
    says(tell(make(NULL, 30), "192.0.2.8", true), "it is for CN=common.example, not for 192.0.2.8");
}

static void test_times(void **state)
{
    X509 *old = make("DNS:a.example", 30), *young = make("DNS:a.example", 30);
    ASN1_TIME *first = ASN1_TIME_set(NULL, 1577934245), *then = ASN1_TIME_set(NULL, 4102542245);
    X509_set1_notAfter(old, first);
    X509_set1_notBefore(young, then);
    says(tell(old, "a.example", true), "CN=common.example expired on 2020-01-02 03:04 UTC");
    says(tell(young, "a.example", true), "CN=common.example is not good before 2100-01-02 03:04 UTC");
    ASN1_TIME_free(first);
    ASN1_TIME_free(then);
}

static void test_signers(void **state)
{
    X509 *orphan = make("DNS:a.example", 30);
    X509_NAME *signer = X509_NAME_new();
    X509_NAME_add_entry_by_txt(signer, "O", MBSTRING_ASC, (const unsigned char *)"Some, \"Authority\"\n", -1, -1, 0);
    X509_set_issuer_name(orphan, signer);
    X509_NAME_free(signer);
    says(tell(make("DNS:a.example", 30), "a.example", false),
         "CN=common.example has signed itself, and is none of the authorities that are believed");
    says(tell(orphan, "a.example", false),
         "CN=common.example was signed by O=Some\\, \\\"Authority\\\"\\0A, which is none of the authorities that are "
         "believed, nor was it sent");
}

static void test_hostile_names(void **state)
{
    const char *text = tell(make("DNS:a\nb\x1b[2J\x7f,DNS:0123456789012345678901234567890123456789012345678901234567,"
                                 "DNS:0123456789012345678901234567890123456789012345678901234567",
                                 30),
                            "b.example", true);
    assert_non_null(strstr(text, "it is for \"a\\nb\\u001b[2J\\u007f\", 0123"));
    text = tell(make("DNS:a", 30),
                "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234"
                "567890123456789012345678901234567890123456789012345678901234567890123456789012345678"
                "901234567890123456789012345678901234567890123456789012345678901234567890123456789012",
                true);
    assert_int_equal(strlen(text), TRANSPORT_REFUSAL_MAX - 1);
    for (; *text; text++)
        assert_in_range(*text, 0x20, 0x7e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_that_do_not_match),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_signers),
        cmocka_unit_test(test_hostile_names),
    };
    return cmocka_run_group_tests_name("tls_refusal", tests, NULL, NULL);
}
