/* Pure: answers in, text out. Called by the commands that ask the administration API, on their one thread. */
#include "main/admin_table.h"

#include <stdio.h>
#include <string.h>

const struct admin_column admin_columns[ADMIN_COLUMNS] = {
    {"WEIGHT", "weight", 7, false, false, 112},      {"ACTIVE", "active", 7, false, false, 88},
    {"REQUESTS", "requests", 11, false, false, 138}, {"RATE/S", "requests_per_s", 9, true, false, 0},
    {"P50 MS", "p50_ms", 9, true, true, 97},         {"P99 MS", "p99_ms", 9, true, true, 0},
    {"BROKEN", "broken", 8, false, false, 105},
};

const char *admin_text(const json_t *json, const char *name)
{
    const char *text = json_string_value(json_object_get(json, name));

    return text ? text : "";
}

long long admin_number(const json_t *json, const char *name)
{
    return json_integer_value(json_object_get(json, name));
}

double admin_real(const json_t *json, const char *name)
{
    return json_number_value(json_object_get(json, name));
}

double admin_column_value(const struct admin_column *column, const json_t *worker)
{
    return admin_real(column->in_rates ? json_object_get(worker, "rates") : worker, column->field);
}

void admin_column_text(const struct admin_column *column, const json_t *worker, char out[ADMIN_CELL_MAX])
{
    double value = admin_column_value(column, worker);

    if (column->time && value <= 0)
        (void)snprintf(out, ADMIN_CELL_MAX, "-");
    else
        (void)snprintf(out, ADMIN_CELL_MAX, "%.*f", column->in_rates ? 1 : 0, value);
}

void admin_name_cut(const char *name, size_t width, char *out)
{
    size_t n = strlen(name), head = (width - 1) / 2;

    if (n <= width) {
        memcpy(out, name, n + 1);
        return;
    }
    memcpy(out, name, head);
    out[head] = '~';
    memcpy(out + head + 1, name + n - (width - head - 1), width - head);
}

size_t admin_differences(const json_t *differences)
{
    return json_array_size(json_object_get(differences, "differences"));
}
