# Sound: what is free of any card and of any system.
SOUND_KERNEL := build/gen/lib/sound/kernel.c
$(SOUND_KERNEL): lib/sound/make-kernel
	@mkdir -p $(@D)
	@echo "  SINC    $@"
	@$< $@
SOUND_PCM := $(addprefix lib/sound/,pcm.c resampler.c alsa_params.c) $(SOUND_KERNEL)
$(call host-test,sound-pcm,lib/sound/pcm_test.c lib/sound/position.c $(SOUND_PCM),-Ilib/holon -Ilib/sound,-lm)
$(call host-test,sound-hda,lib/sound/hda_test.c lib/sound/hda_codec.c,-Ilib/holon -Ilib/sound)
$(call host-fuzz,sound-hda,lib/sound/hda_fuzz.c lib/sound/hda_codec.c,-Ilib -Ilib/holon -Ilib/sound)
$(call host-fuzz,sound-alsa,lib/sound/alsa_fuzz.c $(SOUND_PCM),-Ilib -Ilib/holon -Ilib/sound)
