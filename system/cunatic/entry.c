/* The program cunatic, by itself. */
#include "gate.h"

int main(int argc, char **argv)
{
	return cunatic_main(argc, argv);
}
