/* What is made from the tables of commands and options, for people and for shells.
 */
#ifndef MAIN_OPTIONS_PRINT_H
#define MAIN_OPTIONS_PRINT_H

#include <stdbool.h>
#include <stdio.h>

/* All commands and their options. */
void options_print_help(FILE *out);
/* The manual page ballast(8), in man(7). */
void options_print_man(FILE *out);
/* A completion script for bash, zsh or fish; false for another shell, with nothing printed. */
bool options_print_completion(FILE *out, const char *shell);

#endif
