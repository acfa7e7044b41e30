/* The table of settings as the manual page ballast.yaml(5), for `ballast check --man`.
 */
#ifndef CONTROL_CONFIG_MAN_H
#define CONTROL_CONFIG_MAN_H

#include <stdio.h>

void config_man_print(FILE *out);

#endif
