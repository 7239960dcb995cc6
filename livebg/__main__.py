from livebg.cli import main

main()
