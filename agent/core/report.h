#pragma once
/* What weftctl asks for: facts of the whole state gathered into one report (status.h). */
struct core;
struct request;

void report_status(struct core *core, const struct request *request);
