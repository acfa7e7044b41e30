/* What `ballast status` and `ballast top` have in common: a worker's columns, which of them a narrow terminal has room
 * for, and how the API's answers are read. */
#ifndef MAIN_ADMIN_TABLE_H
#define MAIN_ADMIN_TABLE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* A member of an answer's object: "" or 0 where there is none, or of another type. */
const char *admin_text(const json_t *json, const char *name);
long long admin_number(const json_t *json, const char *name);
double admin_real(const json_t *json, const char *name);

struct admin_column {
    const char *title, *field; /* of the worker, or of its rates */
    int width;
    bool in_rates;
    bool time; /* there is none without answers */
    int from;  /* columns that the terminal must have: on a narrow one the least important are left out */
};
enum { ADMIN_COLUMNS = 7, ADMIN_CELL_MAX = 32 };
extern const struct admin_column admin_columns[ADMIN_COLUMNS];

double admin_column_value(const struct admin_column *column, const json_t *worker);
/* The value as it is shown, with a NUL; "-" for a time that there is none of. */
void admin_column_text(const struct admin_column *column, const json_t *worker, char out[ADMIN_CELL_MAX]);

/* name in at most width characters, with a NUL: of a long one the middle goes, and ~ says so, because names of one
 * fleet often differ at their ends alone. out has room for width + 1, and width is at least 3. */
void admin_name_cut(const char *name, size_t width, char *out);

/* How many workers /v1/differences tells of. */
size_t admin_differences(const json_t *differences);

#endif
