/* Answers that are good, run out, of another certificate, of another issuer, and none at all. */
#include "net/tls_staple.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ocsp.h>
#include <openssl/x509.h>

#include "tests/unit/net/net_cmocka.h"

static struct {
    EVP_PKEY *key;
    X509 *issuer, *certificate;
} made;

static X509 *sign(const char *name, const X509 *issuer, long serial)
{
    X509 *certificate = X509_new();

    ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC, (const unsigned char *)name, -1,
                               -1, 0);
    X509_set_issuer_name(certificate, X509_get_subject_name(issuer ? issuer : certificate));
    X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 86400);
    X509_set_pubkey(certificate, made.key);
    assert_true(X509_sign(certificate, made.key, EVP_sha256()) > 0);
    return certificate;
}

static int make(void **state)
{
    made.key = EVP_EC_gen("P-256");
    made.issuer = sign("issuer.example", NULL, 1);
    made.certificate = sign("one.example", made.issuer, 7);
    return 0;
}

static int unmake(void **state)
{
    X509_free(made.certificate);
    X509_free(made.issuer);
    EVP_PKEY_free(made.key);
    return 0;
}

/* An answer about `about`, by its issuer; into out, room for 4096 bytes. */
static struct str answer(const X509 *about, const X509 *issuer, int status, int64_t until_s, unsigned char *out)
{
    OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
    OCSP_CERTID *id = OCSP_cert_to_id(EVP_sha1(), about, issuer);
    ASN1_TIME *revoked = ASN1_TIME_set(NULL, 1000), *now = ASN1_TIME_set(NULL, 2000);
    ASN1_TIME *until = until_s ? ASN1_TIME_set(NULL, until_s) : NULL;
    unsigned char *end = out;

    assert_non_null(OCSP_basic_add1_status(basic, id, status, 0, revoked, now, until));
    assert_int_equal(OCSP_basic_sign(basic, made.issuer, made.key, EVP_sha256(), NULL, 0), 1);
    OCSP_RESPONSE *whole = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
    int n = i2d_OCSP_RESPONSE(whole, &end);
    assert_in_range(n, 1, 4096);
    OCSP_RESPONSE_free(whole);
    ASN1_TIME_free(until);
    ASN1_TIME_free(now);
    ASN1_TIME_free(revoked);
    OCSP_CERTID_free(id);
    OCSP_BASICRESP_free(basic);
    return str_slice((const char *)out, (size_t)n);
}

static void is_wrong(struct str der, const char *says)
{
    int64_t until_s;
    const char *wrong = tls_staple_check(der, made.certificate, &until_s);

    assert_non_null(wrong);
    assert_non_null(strstr(wrong, says));
    assert_int_equal(ERR_peek_error(), 0);
}

static void test_good_answers_have_their_end(void **state)
{
    unsigned char out[4096];
    int64_t until_s = 0;
    struct str der = answer(made.certificate, made.issuer, V_OCSP_CERTSTATUS_GOOD, 2000000000, out);
    assert_null(tls_staple_check(der, made.certificate, &until_s));
    assert_int_equal(until_s, 2000000000);
    der = answer(made.certificate, made.issuer, V_OCSP_CERTSTATUS_GOOD, 0, out);
    assert_null(tls_staple_check(der, made.certificate, &until_s));
    assert_int_equal(until_s, INT64_MAX);
}

static void test_what_clients_would_refuse(void **state)
{
    unsigned char out[4096 + 1] = "";
    X509 *other_serial = sign("one.example", made.issuer, 8), *other_issuer = sign("other.example", NULL, 1);
    X509 *namesake = sign("one.example", other_issuer, 7);

    is_wrong(answer(other_serial, made.issuer, V_OCSP_CERTSTATUS_GOOD, 0, out), "about another certificate");
    is_wrong(answer(namesake, other_issuer, V_OCSP_CERTSTATUS_GOOD, 0, out), "about another certificate");
    is_wrong(answer(made.certificate, made.issuer, V_OCSP_CERTSTATUS_REVOKED, 0, out), "certificate is good");
    is_wrong(answer(made.certificate, made.issuer, V_OCSP_CERTSTATUS_UNKNOWN, 0, out), "certificate is good");
    X509_free(namesake);
    X509_free(other_issuer);
    X509_free(other_serial);
}

static void test_what_is_no_answer(void **state)
{
    unsigned char out[4096 + 1] = "";
    struct str der = answer(made.certificate, made.issuer, V_OCSP_CERTSTATUS_GOOD, 0, out);

    is_wrong(STR(""), "no OCSP answer");
    is_wrong(STR("junk"), "no OCSP answer");
    is_wrong(str_slice(der.p, der.n - 1), "no OCSP answer");
    is_wrong(str_slice(der.p, der.n + 1), "no OCSP answer");
    is_wrong(STR("\x30\x03\x0a\x01\x03"), "refused to answer"); /* tryLater */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_answers_have_their_end),
        cmocka_unit_test(test_what_clients_would_refuse),
        cmocka_unit_test(test_what_is_no_answer),
    };
    return cmocka_run_group_tests_name("tls_staple", tests, make, unmake);
}
