/* The program flux, by itself: see system/cunatic/entry_both.c for the one of the system image. */
#include "commands.h"

int main(int argc, char **argv)
{
	return flux_main(argc, argv);
}
