/* Called by tls_ctx for each answer that a configuration names: one that is of another certificate, or that is none at
 * all, would be sent in every handshake and refused by every client that looks. */
#include "net/tls_staple.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ocsp.h>
#include <openssl/x509.h>
#include <time.h>

/* The issuer's key is not at hand; its name and the serial number are as good. */
static bool is_id_of(OCSP_CERTID *id, const X509 *certificate)
{
    unsigned char name[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    ASN1_OCTET_STRING *its_name;
    ASN1_INTEGER *its_serial;
    ASN1_OBJECT *its_hash;

    OCSP_id_get0_info(&its_name, &its_hash, NULL, &its_serial, id);
    const EVP_MD *hash = EVP_get_digestbyobj(its_hash);
    return hash && ASN1_INTEGER_cmp(its_serial, X509_get0_serialNumber(certificate)) == 0 &&
           X509_NAME_digest(X509_get_issuer_name(certificate), hash, name, &n) == 1 &&
           str_eq(str_slice((const char *)name, n),
                  str_slice((const char *)ASN1_STRING_get0_data(its_name), (size_t)ASN1_STRING_length(its_name)));
}

static bool is_about(const OCSP_SINGLERESP *single, const X509 *certificate)
{
    OCSP_CERTID *id = OCSP_CERTID_dup(OCSP_SINGLERESP_get0_id(single));
    bool is = id && is_id_of(id, certificate);

    OCSP_CERTID_free(id);
    return is;
}

static const char *check_single(OCSP_SINGLERESP *single, int64_t *ret_until_s)
{
    ASN1_GENERALIZEDTIME *until = NULL;
    struct tm tm;

    if (OCSP_single_get0_status(single, NULL, NULL, NULL, &until) != V_OCSP_CERTSTATUS_GOOD)
        return "it does not say that the certificate is good";
    *ret_until_s = INT64_MAX;
    if (until && ASN1_TIME_to_tm(until, &tm) == 1)
        *ret_until_s = (int64_t)timegm(&tm);
    return NULL;
}

static const char *check_basic(OCSP_BASICRESP *basic, const X509 *certificate, int64_t *ret_until_s)
{
    for (int i = 0; basic && i < OCSP_resp_count(basic); i++)
        if (is_about(OCSP_resp_get0(basic, i), certificate))
            return check_single(OCSP_resp_get0(basic, i), ret_until_s);
    return "it is about another certificate";
}

const char *tls_staple_check(struct str der, const struct x509_st *certificate, int64_t *ret_until_s)
{
    const unsigned char *at = (const unsigned char *)der.p;
    OCSP_RESPONSE *answer = d2i_OCSP_RESPONSE(NULL, &at, (long)der.n);
    const char *wrong = NULL;

    if (!answer || at != (const unsigned char *)der.p + der.n) {
        wrong = "it is no OCSP answer in DER";
    } else if (OCSP_response_status(answer) != OCSP_RESPONSE_STATUS_SUCCESSFUL) {
        wrong = "the responder refused to answer; ask it again";
    } else {
        OCSP_BASICRESP *basic = OCSP_response_get1_basic(answer);
        wrong = check_basic(basic, certificate, ret_until_s);
        OCSP_BASICRESP_free(basic);
    }
    OCSP_RESPONSE_free(answer);
    ERR_clear_error();
    return wrong;
}
