# USB: what devices say, and the words of mass storage; free of any controller.
USB_SOURCES := lib/usb/descriptors.c lib/usb/scsi.c
$(call host-test,usb-hid,lib/usb/hid_test.c lib/usb/hid.c,-Ilib/holon)
$(call host-fuzz,usb-hid,lib/usb/hid_fuzz.c lib/usb/hid.c,-Ilib/holon)
$(call host-test,usb,lib/usb/usb_test.c $(USB_SOURCES),-Ilib/holon)
$(call host-fuzz,usb,lib/usb/usb_fuzz.c $(USB_SOURCES),-Ilib/holon)
