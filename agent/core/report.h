#pragma once
/* What weftctl asks for: facts of the whole state gathered into one report (status.h). */
#include <stdint.h>

struct core;

void report_status(struct core *core, uint32_t client);
