# What Holon adds to the profile "windows" (docs/windows.md), as a Debian package that tools/runner/packages.py makes.
build/windows/%.lib: image/holon-windows/%.def
	@mkdir -p $(@D)
	@llvm-dlltool -m i386:x86-64 -d $< -l $@
build/windows/bcryptprimitives.dll: image/holon-windows/bcryptprimitives.c build/windows/advapi32.lib
	@echo "  WINDOWS $@"
	@clang --target=x86_64-pc-windows-gnu $(CSTD) $(WARN) -O1 -ffreestanding -c -o $(@:.dll=.o) $<
	@lld-link /dll /nodefaultlib /entry:DllMainCRTStartup /Brepro /out:$@ $(@:.dll=.o) build/windows/advapi32.lib
SYSTEM += build/windows/bcryptprimitives.dll
